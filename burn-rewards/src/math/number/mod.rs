//! Exact numbers, why a value may be missing, and the work that may be spent on one.

pub mod rat;

/// Why a value could not be computed at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// No value here: a pole, a domain error, an overflow.
    Undefined,
    /// Rounding could decide: too close to a branch cut, a jump or a cancellation.
    IllConditioned,
    /// This domain cannot represent the operation.
    Unsupported,
    /// The work limit is used up.
    Fuel,
}

/// A value or why there is none.
pub type Eval<T> = Result<T, Fail>;

/// Work that may still be done. One step is about ten nanoseconds.
#[derive(Debug, Clone)]
pub struct Fuel {
    left: u64,
}

impl Fuel {
    /// A budget of `steps`.
    pub fn new(steps: u64) -> Self {
        Self { left: steps }
    }

    /// Uses `steps`.
    ///
    /// # Errors
    /// [`Fail::Fuel`] once the budget is used up, and on every call after.
    pub fn spend(&mut self, steps: u64) -> Eval<()> {
        if steps > self.left {
            self.left = 0;
            return Err(Fail::Fuel);
        }
        self.left -= steps;
        Ok(())
    }

    /// What is left.
    pub fn left(&self) -> u64 {
        self.left
    }
}

/// A 64-bit mixing function (the finaliser of SplitMix64): the only source of "randomness", so a
/// verdict is a function of its input.
pub fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Hash of a name (FNV-1a, mixed).
pub fn hash_name(name: &str) -> u64 {
    let h = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(h)
}
