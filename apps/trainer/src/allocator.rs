//! The program's allocator, which says what helps where there is no memory left.

use mimalloc::MiMalloc;
use std::{
    alloc::{GlobalAlloc, Layout},
    sync::atomic::{AtomicBool, Ordering},
};

/// Training allocates and frees large tensors all the time: mimalloc hands pages back less eagerly
/// than the system's allocator and saves a good part of the page faults.
#[derive(Debug, Default)]
pub struct Allocator {
    /// Whether it was said that there is no memory left.
    told: AtomicBool,
}

impl Allocator {
    /// One that has said nothing yet.
    pub const fn new() -> Self {
        Self {
            told: AtomicBool::new(false),
        }
    }

    /// Says, once, what `bytes` were not to be had and what takes less: the process is likely to end
    /// in a moment.
    fn checked(&self, memory: *mut u8, bytes: usize) -> *mut u8 {
        if memory.is_null() && !self.told.swap(true, Ordering::Relaxed) {
            say!(
                "out of memory: {} MiB more are not to be had. An update holds less with a smaller \
                 train.micro_batch (or train.micro_batch_tokens) and with \
                 train.activation_recompute=block, sampling with a smaller rollout.max_batch; \
                 `trainer plan` shows what each phase holds",
                bytes.div_ceil(1 << 20)
            );
        }
        memory
    }
}

// SAFETY: every call is handed on as it is, and so is what comes of it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.checked(unsafe { MiMalloc.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.checked(unsafe { MiMalloc.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.checked(unsafe { MiMalloc.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { MiMalloc.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_to_be_had_is_told_and_handed_on() {
        let own = Allocator::new();
        let small = Layout::array::<u8>(64).unwrap();
        // SAFETY: a layout that is not empty, and memory of this allocator.
        #[allow(unsafe_code)]
        unsafe {
            let memory = own.alloc(small);
            assert!(!memory.is_null() && !own.told.load(Ordering::Relaxed));
            let memory = own.realloc(memory, small, 128);
            own.dealloc(memory, Layout::array::<u8>(128).unwrap());
            // More than there are addresses.
            assert!(own.alloc(Layout::array::<u8>(1 << 62).unwrap()).is_null());
        }
        assert!(own.told.load(Ordering::Relaxed));
    }
}
