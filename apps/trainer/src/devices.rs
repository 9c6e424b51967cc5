//! `--device` where it may name several: `cuda:0,1`, `cuda:0,cuda:1`, `flex,flex`.

use crate::{device, input_error::InputError};
use burn_rl::dist::DeviceSpec;

/// The devices called `names`, one replica on each. A number alone is one more of the backend
/// before it; a device that is named twice has two replicas.
///
/// # Errors
/// As [`device::parse`].
pub fn parse(names: &str) -> Result<Vec<DeviceSpec>, InputError> {
    let device = |(part, name): (&str, String)| {
        Ok(DeviceSpec {
            device: device::parse(&name).map_err(|error| within(names, part, &error))?,
            kind: device::kind(&name),
            name,
        })
    };
    parts(names).into_iter().map(device).collect()
}

/// The devices of such a list by their whole names, which need not be here.
///
/// # Errors
/// A name that means nothing on any machine.
pub fn names(list: &str) -> Result<Vec<String>, InputError> {
    let name = |(part, name): (&str, String)| {
        device::check_name(&name).map_err(|error| within(list, part, &error))?;
        Ok(name)
    };
    parts(list).into_iter().map(name).collect()
}

/// The parts of a list, each with its whole name.
fn parts(list: &str) -> Vec<(&str, String)> {
    let mut parts: Vec<(&str, String)> = vec![];
    for part in list.split(',') {
        let before = parts.last().and_then(|(_, name)| name.rsplit_once(':'));
        let name = match before {
            Some((backend, _)) if is_number(part) => format!("{backend}:{part}"),
            _ => part.to_owned(),
        };
        parts.push((part, name));
    }
    parts
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())
}

/// The same error, with the list in which the name stands.
fn within(names: &str, part: &str, error: &InputError) -> InputError {
    match names == part {
        true => InputError::new(error.to_string()),
        false => InputError::new(format!("--device {names}: in this list, {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "flex")]
    #[test]
    fn names_and_numbers() {
        let names = |list: &str| -> Vec<String> {
            let devices = parse(list).unwrap();
            devices.into_iter().map(|device| device.name).collect()
        };
        assert_eq!(names("flex"), ["flex"]);
        assert_eq!(names("flex,flex"), ["flex", "flex"]);
        assert_eq!(names("flex:0,0"), ["flex:0", "flex:0"]);
    }

    #[test]
    fn a_bad_name_is_named_with_its_list() {
        for (list, bad) in [
            ("flex,", ""),
            ("flex,gpu", "gpu"),
            ("flex:0,1", "flex:1"),
            ("gpu,flex", "gpu"),
        ] {
            let message = parse(list).unwrap_err().to_string();
            let start = format!("--device {list}: in this list, --device {bad}: ");
            assert!(message.starts_with(&start), "{message}");
        }
        let alone = parse("gpu").unwrap_err().to_string();
        assert!(alone.starts_with("--device gpu: no such device"), "{alone}");
    }
}
