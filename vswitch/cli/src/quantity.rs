//! Numbers as people read them.

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// `12.3k`, `4.56 MB`.
    Short,
    /// `12345`, `4560000`.
    Exact,
}

const STEPS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];

/// Frames, turns, rows: `9999`, `12.3k`.
pub(crate) fn count(number: u64, numbers: Numbers) -> String {
    match shortened(number) {
        Some((digits, step)) if numbers == Numbers::Short => format!("{digits}{step}"),
        _ => number.to_string(),
    }
}

/// Octets: `9999 B`, `12.3 kB`; powers of ten, like link rates.
pub(crate) fn octets(number: u64, numbers: Numbers) -> String {
    match (numbers, shortened(number)) {
        (Numbers::Exact, _) => number.to_string(),
        (Numbers::Short, Some((digits, step))) => format!("{digits} {step}B"),
        (Numbers::Short, None) => format!("{number} B"),
    }
}

/// Octets as people read memory: `12.3 MiB`.
pub(crate) fn mebioctets(number: u64, numbers: Numbers) -> String {
    match numbers {
        Numbers::Exact => number.to_string(),
        Numbers::Short => format!("{:.1} MiB", number as f64 / f64::from(1 << 20)),
    }
}

/// Three significant digits and a step, from ten thousand on; cut, not rounded: 9.99M is less than 10.0M.
fn shortened(number: u64) -> Option<(String, &'static str)> {
    if number < 10_000 {
        return None;
    }
    let mut unit = 1_000;
    let mut step = 0;
    while step + 1 < STEPS.len() && number / unit >= 1_000 {
        (unit, step) = (unit * 1_000, step + 1);
    }
    let (whole, rest) = (number / unit, number % unit);
    let digits = match whole {
        0..10 => format!("{whole}.{:02}", rest / (unit / 100)),
        10..100 => format!("{whole}.{}", rest / (unit / 10)),
        _ => whole.to_string(),
    };
    Some((digits, STEPS[step]))
}

/// A time span: `12 ms`, `3.4 s`, `2m 05s`, `3h 04m`, `5d 06h`; milliseconds where exact.
pub(crate) fn milliseconds(number: u64, numbers: Numbers) -> String {
    let seconds = number / 1_000;
    match seconds {
        _ if numbers == Numbers::Exact => number.to_string(),
        0 => format!("{number} ms"),
        1..60 => format!("{seconds}.{} s", number % 1_000 / 100),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A share of a whole: `99.5%`; cut, so that only all is 100.0%. A dash where there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => {
            let per_mille = u128::from(part) * 1_000 / u128::from(whole);
            format!("{}.{}%", per_mille / 10, per_mille % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_at_most_three_digits_and_a_step_from_ten_thousand_on() {
        let cases = [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (99_999, "99.9k"),
            (100_000, "100k"),
            (999_999, "999k"),
            (1_000_000, "1.00M"),
            (12_345_678, "12.3M"),
            (u64::MAX, "18.4E"),
        ];
        for (number, text) in cases {
            assert_eq!(count(number, Numbers::Short), text);
            assert_eq!(count(number, Numbers::Exact), number.to_string());
        }
    }

    #[test]
    fn octets_carry_their_unit() {
        assert_eq!(octets(64, Numbers::Short), "64 B");
        assert_eq!(octets(4_560_000, Numbers::Short), "4.56 MB");
        assert_eq!(octets(4_560_000, Numbers::Exact), "4560000");
    }

    #[test]
    fn time_spans_have_two_units_at_most() {
        let cases =
            [(12, "12 ms"), (3_450, "3.4 s"), (125_000, "2m 05s"), (11_040_000, "3h 04m"), (453_600_000, "5d 06h")];
        cases.iter().for_each(|&(number, text)| assert_eq!(milliseconds(number, Numbers::Short), text));
        assert_eq!(milliseconds(125_000, Numbers::Exact), "125000");
    }

    #[test]
    fn a_share_is_all_only_where_nothing_is_missing() {
        assert_eq!(share(0, 0), "-");
        assert_eq!(share(999_999, 1_000_000), "99.9%");
        assert_eq!(share(u64::MAX, u64::MAX), "100.0%");
        assert_eq!(share(1, 3), "33.3%");
    }
}
