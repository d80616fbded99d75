//! What a check has found.

use serde::Serialize;

/// How bad it is. Ordered: the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// The switch will not start, or a port will not work.
    Problem,
    /// It works, with loss, jitter or less speed than the machine has.
    Warning,
    /// It cannot be told from here.
    Unchecked,
    /// As it should be.
    Ok,
}

impl Severity {
    /// As people read it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Severity::Problem => "problem",
            Severity::Warning => "warning",
            Severity::Unchecked => "not checkable",
            Severity::Ok => "ok",
        }
    }
}

/// One thing that was looked at. Its fields are the schema of `--json`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// The name of the check: stable, for scripts.
    pub(crate) check: &'static str,
    /// What it is about: a CPU, a node, a device, a port.
    pub(crate) about: String,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What is there; names the value.
    pub(crate) found: String,
    /// Where it is written.
    pub(crate) file: String,
    /// Why it matters. Empty where all is well.
    pub(crate) why: String,
    /// The command that mends it; of what cannot be checked, the command that tells. `null` where there is nothing to do.
    pub(crate) mend: Option<String>,
}

/// What is looked at, and where; becomes a [`Finding`].
pub(super) struct Look {
    check: &'static str,
    about: String,
    file: String,
}

/// Looks at something.
pub(super) fn look(check: &'static str, about: impl Into<String>, file: impl Into<String>) -> Look {
    Look { check, about: about.into(), file: file.into() }
}

impl Look {
    /// All is well.
    pub(super) fn ok(self, found: impl Into<String>) -> Finding {
        self.finding(Severity::Ok, found.into(), "", None)
    }

    /// Nobody can tell from here; `tell` is the command that can.
    pub(super) fn unchecked(self, found: impl Into<String>, why: &str, tell: impl Into<String>) -> Finding {
        self.finding(Severity::Unchecked, found.into(), why, Some(tell.into()))
    }

    /// Something is wrong: `mend` is the command that mends it.
    pub(super) fn bad(
        self,
        severity: Severity,
        found: impl Into<String>,
        why: &str,
        mend: impl Into<String>,
    ) -> Finding {
        self.finding(severity, found.into(), why, Some(mend.into()))
    }

    fn finding(self, severity: Severity, found: String, why: &str, mend: Option<String>) -> Finding {
        let Look { check, about, file } = self;
        Finding { check, about, severity, found, file, why: why.to_owned(), mend }
    }
}
