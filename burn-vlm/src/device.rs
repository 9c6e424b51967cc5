//! What differs between devices.

use burn::tensor::Device;

/// Whether a device computes on the threads that call it, so that several passes may run at a time.
pub fn runs_on_host(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    if *device == Device::flex() {
        return true;
    }
    let _ = device;
    false
}
