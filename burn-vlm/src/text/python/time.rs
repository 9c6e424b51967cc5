//! `strftime_now`: the date as Python writes it.

use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::{Error, ErrorKind};

/// The current date and time by Python's `strftime`, in UTC.
pub(super) fn strftime_now(format: String) -> Result<String, Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |passed| passed.as_secs());
    strftime(now, &format)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The instant `seconds` after 1970-01-01 00:00 UTC.
fn strftime(seconds: u64, format: &str) -> Result<String, Error> {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut day) = (1970, days);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let day_of_year = day + 1;
    let mut month = 0;
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    // 1970-01-01 was a Thursday.
    let weekday = DAYS[((days + 3) % 7) as usize];
    let (hour, hour12) = (second / 3600, (second / 3600 + 11) % 12 + 1);

    let mut out = String::new();
    let mut characters = format.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let code = characters.next();
        let (code, pad) = match code {
            Some('-') => (characters.next(), false),
            _ => (code, true),
        };
        let number = |value: u64, width: usize| {
            if pad {
                format!("{value:0width$}")
            } else {
                value.to_string()
            }
        };
        out += &match code {
            Some('Y') => year.to_string(),
            Some('y') => number(year % 100, 2),
            Some('m') => number(month as u64 + 1, 2),
            Some('d') => number(day + 1, 2),
            Some('e') => format!("{:2}", day + 1),
            Some('j') => number(day_of_year, 3),
            Some('H') => number(hour, 2),
            Some('I') => number(hour12, 2),
            Some('M') => number(second / 60 % 60, 2),
            Some('S') => number(second % 60, 2),
            Some('p') => (if hour < 12 { "AM" } else { "PM" }).into(),
            Some('B') => MONTHS[month].into(),
            Some('b') => MONTHS[month][..3].into(),
            Some('A') => weekday.into(),
            Some('a') => weekday[..3].into(),
            Some('F') => format!("{year}-{:02}-{:02}", month + 1, day + 1),
            Some('T') => format!("{hour:02}:{:02}:{:02}", second / 60 % 60, second % 60),
            Some('Z') => "UTC".into(),
            Some('z') => "+0000".into(),
            Some('%') => "%".into(),
            other => {
                let message = format!("strftime_now does not know %{}", other.unwrap_or(' '));
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected strings printed by Python 3.11 for the same instants in UTC.
    #[test]
    fn strftime_writes_what_python_writes() {
        let all = "%Y %y %m %d %e %j %H %I %M %S %p %B %b %A %a %F %T %%";
        let leap_day =
            "2024 24 02 29 29 060 13 01 02 03 PM February Feb Thursday Thu 2024-02-29 13:02:03 %";
        assert_eq!(strftime(1_709_211_723, all).unwrap(), leap_day);
        assert_eq!(
            strftime(0, "%d %b %Y, %A, %-d/%-m, %e, %I %p").unwrap(),
            "01 Jan 1970, Thursday, 1/1,  1, 12 AM"
        );
        assert_eq!(strftime(4_102_444_799, "%F %j").unwrap(), "2099-12-31 365");
        assert!(strftime(0, "%Q").unwrap_err().to_string().contains("%Q"));
        assert_eq!(strftime_now("%Y".into()).unwrap().len(), 4);
    }
}
