//! One thread a device.

use crate::error::RlError;
use burn::tensor::Device;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// What kind of device a replica is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor, whose cores replicas share.
    Cpu,
    /// A GPU of NVIDIA: sums go through NCCL.
    Cuda,
    /// Another accelerator.
    Other,
}

/// Where a replica is.
#[derive(Debug, Clone)]
pub struct DeviceSpec {
    /// What people call it, as `cuda:1`.
    pub name: String,
    /// The device.
    pub device: Device,
    /// Its kind.
    pub kind: DeviceKind,
}

/// The threads that work on devices, one a device: a device's queue and memory belong to the
/// thread that uses it. Each has a share of the machine's cores beside it for what is computed on
/// the host.
pub struct Workers {
    devices: Vec<DeviceSpec>,
    pools: Vec<ThreadPool>,
}

impl Workers {
    /// A thread for each device.
    ///
    /// # Errors
    /// [`RlError::Config`] without a device; [`RlError::Training`] where the system refuses threads.
    pub fn new(devices: Vec<DeviceSpec>) -> Result<Self, RlError> {
        if devices.is_empty() {
            let message = "no device, expected at least one";
            return Err(RlError::Config(message.into()));
        }
        let threads = (rayon::current_num_threads() / devices.len()).max(1);
        let pool = |rank| {
            let name = move |i| format!("replica {rank}, thread {i}");
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(name);
            pool.build()
        };
        let pools = (0..devices.len()).map(pool).collect::<Result<_, _>>();
        Ok(Self {
            devices,
            pools: pools.map_err(|e| RlError::Training(format!("starting threads: {e}")))?,
        })
    }

    /// The same, shared; none where the only device is the CPU, whose work needs no thread of its
    /// own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn where_needed(devices: &[DeviceSpec]) -> Result<Option<Arc<Self>>, RlError> {
        match devices {
            [one] if one.kind == DeviceKind::Cpu => Ok(None),
            _ => Ok(Some(Arc::new(Self::new(devices.to_vec())?))),
        }
    }

    /// Where they work.
    pub fn devices(&self) -> &[DeviceSpec] {
        &self.devices
    }

    /// Does one job on each thread, all at once, and waits for all; the results by rank.
    ///
    /// # Errors
    /// The first failure, a panic included, as [`RlError::Replica`]. `failed` is called as soon as
    /// there is one, so that those who wait for the one that failed can be told.
    pub(super) fn run<J: Send, T: Send>(
        &self,
        jobs: Vec<J>,
        work: impl Fn(usize, J) -> Result<T, RlError> + Sync,
        failed: impl Fn() + Sync,
    ) -> Result<Vec<T>, RlError> {
        let first = Mutex::new(None);
        let attempt = |rank: usize, job: J| {
            let result = catch_unwind(AssertUnwindSafe(|| work(rank, job)));
            let result = result.unwrap_or_else(|cause| Err(panicked(&*cause)));
            let error = match result {
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            // Whatever fails later fails because of it.
            first.get_or_insert_with(|| RlError::Replica {
                rank,
                device: self.devices[rank].name.clone(),
                cause: Box::new(error),
            });
            failed();
            None
        };
        let attempt = &attempt;
        let results: Option<Vec<T>> = thread::scope(|scope| {
            let pools = self.pools.iter().enumerate();
            let waiting: Vec<_> = pools
                .zip(jobs)
                .map(|((rank, pool), job)| {
                    scope.spawn(move || on_first_thread(pool, || attempt(rank, job)))
                })
                .collect();
            waiting
                .into_iter()
                .map(|job| job.join().ok().flatten())
                .collect()
        });
        let first = first.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (first, results) {
            (None, Some(results)) => Ok(results),
            (Some(error), _) => Err(error),
            (None, None) => Err(RlError::Training("a replica's thread is gone".into())),
        }
    }
}

/// Does a job on thread 0 of a pool, always the same one; the others can be asked to help.
fn on_first_thread<T: Send>(
    pool: &ThreadPool,
    job: impl FnOnce() -> Option<T> + Send,
) -> Option<T> {
    let job = Mutex::new(Some(job));
    let results = pool.broadcast(|thread| {
        let job = (thread.index() == 0).then(|| {
            let mut job = job.lock().unwrap_or_else(PoisonError::into_inner);
            job.take()
        });
        job.flatten().and_then(|job| job())
    });
    results.into_iter().next().flatten()
}

fn panicked(cause: &(dyn Any + Send)) -> RlError {
    let text = cause.downcast_ref::<&str>().copied();
    let text = text.or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    RlError::Training(format!("panicked: {}", text.unwrap_or("without a message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(n: usize) -> Workers {
        let device = |i| DeviceSpec {
            name: format!("flex:{i}"),
            device: Device::flex(),
            kind: DeviceKind::Cpu,
        };
        Workers::new((0..n).map(device).collect()).unwrap()
    }

    #[test]
    fn each_rank_has_a_thread_of_its_own_and_keeps_it() {
        let workers = workers(3);
        let who = || {
            let id = |_, ()| Ok(thread::current().id());
            workers.run(vec![(); 3], id, || {}).unwrap()
        };
        let first = who();
        for _ in 0..20 {
            assert_eq!(who(), first);
        }
        let distinct: std::collections::HashSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), 3);
    }

    #[test]
    fn the_first_failure_is_the_one_that_is_told() {
        let failed = std::sync::Barrier::new(2);
        let work = |rank, ()| {
            if rank == 0 {
                // Fails because of the other, and therefore after it.
                failed.wait();
                return Err(RlError::Training("released".into()));
            }
            Err::<(), _>(RlError::Config("seed is -1, expected 0 or more".into()))
        };
        let told = std::sync::Once::new();
        let error = workers(2)
            .run(vec![(); 2], work, || {
                told.call_once(|| {
                    failed.wait();
                });
            })
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "replica 1 on flex:1: seed is -1, expected 0 or more"
        );
        assert!(error.is_input());
    }

    #[test]
    fn a_panic_is_a_failure_with_its_message() {
        let work = |rank, ()| {
            assert_ne!(rank, 1, "no such memory");
            Ok(())
        };
        let error = workers(2).run(vec![(); 2], work, || {}).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("replica 1 on flex:1: panicked: "),
            "{message}"
        );
        assert!(message.contains("no such memory"), "{message}");
        assert!(!error.is_input());
    }
}
