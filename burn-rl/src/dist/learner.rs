//! A learner on several devices.

use super::{Workers, replica::ReplicaGroup};
use crate::{
    error::RlError,
    learner::{Learner, Replicate, TrainBatch, difference},
    metrics::Metrics,
    stop::StopFlag,
};
use std::{path::Path, sync::Arc};

/// A learner on each of several devices, as one learner: replica 0 is the one that is saved.
pub struct DataParallel<L> {
    replicas: Vec<L>,
    workers: Arc<Workers>,
    group: Arc<ReplicaGroup>,
    check_steps: u64,
}

impl<L: Replicate> DataParallel<L> {
    /// Copies `first`, which is on the first device already, to the others. Replicas are compared
    /// now, after every `check_steps`-th step (0 for none) and before every checkpoint.
    ///
    /// # Errors
    /// What fails on a device.
    pub fn new(first: L, workers: Arc<Workers>, check_steps: u64) -> Result<Self, RlError> {
        let group = ReplicaGroup::new(workers.devices());
        let mut learner = Self {
            replicas: vec![first],
            workers,
            group,
            check_steps,
        };
        learner.spread()?;
        Ok(learner)
    }

    /// Makes every replica a copy of the first.
    fn spread(&mut self) -> Result<(), RlError> {
        self.replicas.truncate(1);
        let (first, devices) = (&self.replicas[0], self.workers.devices());
        let copy = |rank: usize, ()| Ok((rank > 0).then(|| first.on(&devices[rank].device)));
        let others = self.all(vec![(); devices.len()], copy)?;
        self.replicas.extend(others.into_iter().flatten());
        for (rank, replica) in self.replicas.iter_mut().enumerate() {
            replica.join(self.group.replica(rank));
        }
        self.check("a copy to every device")
    }

    /// Compares all replicas, to the bit.
    fn check(&self, after: &str) -> Result<(), RlError> {
        if self.replicas.len() == 1 {
            return Ok(());
        }
        let sums = |_, replica: &L| Ok(replica.checksums());
        let by_rank = self.all(self.replicas.iter().collect(), sums)?;
        let Some((rank, name)) = difference(&by_rank) else {
            return Ok(());
        };
        let devices = self.workers.devices();
        Err(RlError::Training(format!(
            "replica {rank} on {} differs from replica 0 on {} in {name} after {after}, expected \
             the same to the bit: a device computes wrong, or memory is broken",
            devices[rank].name, devices[0].name
        )))
    }

    /// Does one job on every device; whoever fails releases the others.
    fn all<J: Send, T: Send>(
        &self,
        jobs: Vec<J>,
        work: impl Fn(usize, J) -> Result<T, RlError> + Sync,
    ) -> Result<Vec<T>, RlError> {
        run(&self.workers, &self.group, jobs, work)
    }
}

fn run<J: Send, T: Send>(
    workers: &Workers,
    group: &ReplicaGroup,
    jobs: Vec<J>,
    work: impl Fn(usize, J) -> Result<T, RlError> + Sync,
) -> Result<Vec<T>, RlError> {
    let rendezvous = &group.rendezvous;
    rendezvous.reset();
    let work = |rank, job| work(rank, job).inspect(|_| rendezvous.finish());
    workers.run(jobs, work, || rendezvous.fail())
}

impl<L: Replicate> Learner for DataParallel<L> {
    type Policy = L::Policy;

    fn score(&self, batch: &mut TrainBatch) -> Result<(), RlError> {
        let whole = &*batch;
        let score = |_, replica: &L| {
            let mut own = whole.clone();
            replica.score(&mut own)?;
            Ok(own)
        };
        let mut scored = self.all(self.replicas.iter().collect(), score)?.into_iter();
        if let Some(first) = scored.next() {
            *batch = first;
        }
        // Everything else is the same on all; these are on their devices.
        batch.features.extend(scored.flat_map(|own| own.features));
        Ok(())
    }

    fn fill_old_logprobs(&self, batch: &mut TrainBatch) -> Result<(), RlError> {
        let whole = &*batch;
        let fill_old_logprobs = |_, replica: &L| {
            let mut own = whole.clone();
            replica.fill_old_logprobs(&mut own)?;
            Ok(own)
        };
        let remembered = self.all(self.replicas.iter().collect(), fill_old_logprobs)?;
        if let Some(first) = remembered.into_iter().next() {
            *batch = first;
        }
        Ok(())
    }

    fn update(&mut self, batch: &TrainBatch, step: u64) -> Result<Metrics, RlError> {
        let update = |_, replica: &mut L| replica.update(batch, step);
        let jobs = self.replicas.iter_mut().collect();
        let metrics = run(&self.workers, &self.group, jobs, update)?;
        if self.check_steps > 0 && step.is_multiple_of(self.check_steps) {
            self.check(&format!("step {step}"))?;
        }
        Ok(metrics.into_iter().next().unwrap_or_default())
    }

    fn stop_on(&mut self, stop: &StopFlag) {
        let replicas = self.replicas.iter_mut();
        replicas.for_each(|replica| replica.stop_on(stop));
    }

    fn model(&self) -> &L::Policy {
        self.replicas[0].model()
    }

    fn replicas(&self) -> Vec<&L::Policy> {
        self.replicas.iter().map(Learner::model).collect()
    }

    fn average(&self) -> Option<&L::Policy> {
        self.replicas[0].average()
    }

    fn save(&self, dir: &Path) -> Result<(), RlError> {
        self.check("the last step")?;
        self.replicas[0].save(dir)
    }

    fn restore(&mut self, model: L::Policy, dir: &Path) -> Result<(), RlError> {
        self.replicas[0].restore(model, dir)?;
        self.spread()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dist::{DeviceKind, DeviceSpec},
        learner::{Checksum, Replica},
    };
    use burn::tensor::Device;
    use burn_vlm::Vlm;

    /// What becomes of a replica at its second rendezvous of an update.
    #[derive(Clone, Copy, PartialEq)]
    enum Fate {
        Lives,
        Fails,
        Panics,
        Leaves,
        Drifts,
    }

    /// A learner whose only weight is a number; that of replica 0 lives.
    struct Fake {
        model: Vlm,
        replica: Replica,
        fate: Fate,
        weight: u32,
    }

    impl Learner for Fake {
        type Policy = Vlm;

        fn score(&self, _: &mut TrainBatch) -> Result<(), RlError> {
            Ok(())
        }

        fn fill_old_logprobs(&self, _: &mut TrainBatch) -> Result<(), RlError> {
            Ok(())
        }

        fn update(&mut self, _: &TrainBatch, _: u64) -> Result<Metrics, RlError> {
            self.replica.gather("first", ())?;
            match self.fate {
                _ if self.replica.rank() == 0 => {}
                Fate::Lives => {}
                Fate::Fails => return Err(RlError::Training("out of memory".into())),
                Fate::Panics => panic!("out of range"),
                Fate::Leaves => return Ok(Metrics::new()),
                Fate::Drifts => self.weight += 1,
            }
            let sum: u32 = self.replica.gather("second", 1)?.iter().sum();
            self.weight += sum;
            Ok(Metrics::new())
        }

        fn model(&self) -> &Vlm {
            &self.model
        }

        fn average(&self) -> Option<&Vlm> {
            None
        }

        fn save(&self, _: &Path) -> Result<(), RlError> {
            Ok(())
        }

        fn restore(&mut self, model: Vlm, _: &Path) -> Result<(), RlError> {
            self.model = model;
            self.weight = 40;
            Ok(())
        }
    }

    impl Replicate for Fake {
        fn on(&self, _: &Device) -> Self {
            Self {
                model: self.model.clone(),
                replica: Replica::alone(),
                ..*self
            }
        }

        fn join(&mut self, replica: Replica) {
            self.replica = replica;
        }

        fn checksums(&self) -> Vec<Checksum> {
            vec![Checksum::of("weight", &self.weight.to_le_bytes())]
        }
    }

    fn parallel(fate: Fate, check_steps: u64) -> DataParallel<Fake> {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_tied");
        let first = Fake {
            model: Vlm::from_dir(&golden, &Device::flex()).unwrap(),
            replica: Replica::alone(),
            fate,
            weight: 0,
        };
        let device = |i| DeviceSpec {
            name: format!("flex:{i}"),
            device: Device::flex(),
            kind: DeviceKind::Cpu,
        };
        let workers = Workers::new((0..3).map(device).collect()).unwrap();
        DataParallel::new(first, Arc::new(workers), check_steps).unwrap()
    }

    fn update(learner: &mut DataParallel<Fake>, step: u64) -> Result<Metrics, RlError> {
        learner.update(&TrainBatch::default(), step)
    }

    #[test]
    fn replicas_that_live_stay_equal() {
        let mut learner = parallel(Fate::Lives, 1);
        for step in 1..=50 {
            update(&mut learner, step).unwrap();
        }
        assert!(learner.replicas.iter().all(|r| r.weight == 150));
        learner.save(Path::new("")).unwrap();
        let model = learner.model().clone();
        learner.restore(model, Path::new("")).unwrap();
        assert!(learner.replicas.iter().all(|r| r.weight == 40));
        update(&mut learner, 51).unwrap();
        assert!(learner.replicas.iter().all(|r| r.weight == 43));
    }

    #[test]
    fn whoever_fails_releases_the_others_and_is_heard() {
        for (fate, message) in [
            (Fate::Fails, ": out of memory"),
            (Fate::Panics, ": panicked: out of range"),
            (Fate::Leaves, "one is done while another waits for it"),
        ] {
            let error = update(&mut parallel(fate, 1), 1).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(message), "{text}");
            assert!(matches!(error, RlError::Replica { .. }), "{text}");
            if fate != Fate::Leaves {
                // Ranks 1 and 2 fail alike, and either may be first; rank 0 only waits.
                assert!(!text.starts_with("replica 0"), "{text}");
            }
        }
    }

    #[test]
    fn a_replica_that_differs_is_found_when_replicas_are_compared() {
        let mut learner = parallel(Fate::Drifts, 2);
        update(&mut learner, 1).unwrap();
        let error = update(&mut learner, 2).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "replica 1 on flex:1 differs from replica 0 on flex:0 in weight after step 2"
            ),
            "{error}"
        );
        // Never compared but before a checkpoint, which is then not written.
        let mut learner = parallel(Fate::Drifts, 0);
        update(&mut learner, 2).unwrap();
        let error = learner.save(Path::new("")).unwrap_err().to_string();
        assert!(error.contains("in weight after the last step"), "{error}");
    }
}
