//! What differs between devices.

#[cfg(any(feature = "cuda", feature = "tch"))]
use burn::backend::DispatchDevice;
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

/// Whether a device is a GPU, with matrix units for half precision.
pub fn is_gpu(device: &Device) -> bool {
    #[cfg(feature = "cuda")]
    if let DispatchDevice::Cube(_) = device.as_dispatch() {
        return true;
    }
    #[cfg(feature = "tch")]
    if let DispatchDevice::LibTorch(device) = device.as_dispatch() {
        return matches!(device, burn::backend::LibTorchDevice::Cuda(_));
    }
    let _ = device;
    false
}

/// Bytes held for tensors: what the device's pools have taken, which is the most they ever needed
/// since they were last cleaned up; of a device without pools, the most this process ever held. None
/// where the system does not say.
pub fn memory_bytes(device: &Device) -> Option<f64> {
    match device.memory_pool_usage() {
        Some(pools) => Some(pools.bytes_reserved as f64),
        None => peak_host_bytes(),
    }
}

/// The high-water mark of this process.
fn peak_host_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}
