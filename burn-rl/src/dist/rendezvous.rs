//! Where the threads of replicas meet: each brings a value, all leave with all values.

use crate::error::RlError;
use std::{
    any::Any,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A meeting point (an all-gather on the host) of a fixed number of threads, again and again.
///
/// Nobody waits in vain: once one of them has failed, or is done while others wait for it, every
/// wait ends with an error.
pub(super) struct Rendezvous {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// What each has contributed to the rendezvous at hand, and to which.
    contributed: Vec<Option<(&'static str, Box<dyn Any + Send>)>>,
    /// How many have left it with the values of all.
    left: usize,
    /// Threads whose work is over.
    done: usize,
    failed: bool,
}

impl State {
    fn new(size: usize) -> Self {
        Self {
            contributed: (0..size).map(|_| None).collect(),
            left: 0,
            done: 0,
            failed: false,
        }
    }

    fn is_complete(&self) -> bool {
        self.contributed.iter().all(Option::is_some)
    }
}

impl Rendezvous {
    /// Of so many threads.
    pub fn new(size: usize) -> Self {
        Self {
            state: Mutex::new(State::new(size)),
            changed: Condvar::new(),
        }
    }

    /// Begins anew: no thread is at work.
    pub fn reset(&self) {
        let mut state = self.lock();
        *state = State::new(state.contributed.len());
    }

    /// One of the threads has come to the end of its work.
    pub fn finish(&self) {
        self.lock().done += 1;
        self.changed.notify_all();
    }

    /// One of the threads has failed: the others need not wait.
    pub fn fail(&self) {
        self.lock().failed = true;
        self.changed.notify_all();
    }

    /// Brings the value of thread `rank` and waits for the others; the values of all by rank.
    /// `what` says what they are, and must be the same for all.
    ///
    /// # Errors
    /// [`RlError::Training`] if another thread has failed, is done, or came with something else.
    pub fn gather<T: Clone + Send + 'static>(
        &self,
        rank: usize,
        what: &'static str,
        value: T,
    ) -> Result<Vec<T>, RlError> {
        // The last rendezvous may not be over: somebody still looks at what was contributed to it.
        let mut state = self.wait(self.lock(), |s| s.contributed[rank].is_none())?;
        state.contributed[rank] = Some((what, Box::new(value)));
        if state.is_complete() {
            self.changed.notify_all();
        }
        let mut state = self.wait(state, State::is_complete)?;
        let values = state.contributed.iter().flatten().map(|(tag, value)| {
            let own = value.downcast_ref::<T>().filter(|_| *tag == what);
            own.cloned().ok_or_else(|| {
                RlError::Training(format!(
                    "replicas have lost step: one brings {tag} where another brings {what}"
                ))
            })
        });
        let values = values.collect();
        state.left += 1;
        if state.left == state.contributed.len() {
            state.left = 0;
            state.contributed.iter_mut().for_each(|slot| *slot = None);
            self.changed.notify_all();
        }
        values
    }

    /// Waits until `ready`.
    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        ready: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'a, State>, RlError> {
        let waits = |s: &mut State| !s.failed && !ready(s) && s.done == 0;
        let state = self.changed.wait_while(state, waits);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        if state.failed {
            return Err(RlError::Training("another replica has failed".into()));
        }
        match ready(&state) {
            true => Ok(state),
            false => Err(RlError::Training(
                "replicas have lost step: one is done while another waits for it".into(),
            )),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside a critical section is no reason for others to hang.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// What each of three threads comes back with.
    fn run<T: Send>(work: impl Fn(usize, &Rendezvous) -> T + Sync) -> Vec<T> {
        let rendezvous = &Rendezvous::new(3);
        let work = &work;
        thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|rank| scope.spawn(move || work(rank, rendezvous)))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        })
    }

    #[test]
    fn everybody_leaves_with_everything_in_the_order_of_ranks() {
        let found = run(|rank, rendezvous| {
            let meet = |round: usize| {
                rendezvous
                    .gather(rank, "numbers", 10 * round + rank)
                    .unwrap()
            };
            (0..200).map(meet).collect::<Vec<_>>()
        });
        for rounds in found {
            for (round, values) in rounds.iter().enumerate() {
                assert_eq!(*values, [10 * round, 10 * round + 1, 10 * round + 2]);
            }
        }
    }

    #[test]
    fn who_fails_releases_who_waits() {
        let found = run(|rank, rendezvous| match rank {
            1 => {
                rendezvous.fail();
                Err(RlError::Training("its own".into()))
            }
            _ => rendezvous.gather(rank, "numbers", rank),
        });
        let messages = found.into_iter().map(|r| r.unwrap_err().to_string());
        let messages: Vec<String> = messages.collect();
        assert_eq!(
            messages,
            [
                "another replica has failed",
                "its own",
                "another replica has failed"
            ]
        );
    }

    #[test]
    fn who_is_done_releases_who_waits() {
        let found = run(|rank, rendezvous| match rank {
            2 => {
                rendezvous.finish();
                Ok(vec![])
            }
            _ => rendezvous.gather(rank, "numbers", rank),
        });
        for (rank, found) in found.into_iter().enumerate() {
            assert_eq!(found.is_ok(), rank == 2);
        }
    }

    #[test]
    fn different_meetings_are_no_meeting() {
        let found = run(|rank, rendezvous| match rank {
            0 => rendezvous.gather(rank, "norms", rank),
            _ => rendezvous.gather(rank, "counts", rank),
        });
        for found in found {
            let message = found.unwrap_err().to_string();
            assert!(
                message.contains("norms") && message.contains("counts"),
                "{message}"
            );
        }
    }
}
