//! Pod Security Admission: `violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true, hostPID=true), ...`.
use serde::Serialize;

use super::Reason;
use super::go_text::quoted;

/// A control of a Pod Security Standard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Control {
    /// `allowPrivilegeEscalation != false`.
    pub name: String,
    /// What of the pod violates it.
    pub detail: Option<String>,
}

/// pod-security-admission, admission/admission.go
pub fn refusal(reason: &str) -> Option<Reason> {
    violation(reason.strip_prefix("violates PodSecurity ")?)
}

/// What follows `violate PodSecurity`: in a refusal, and in a warning.
pub fn violation(text: &str) -> Option<Reason> {
    let (level, rest) = quoted(text)?;
    let (standard, version) = level.split_once(':')?;
    let known = matches!(standard, "baseline" | "restricted")
        && (version == "latest" || version.strip_prefix("v1.").is_some_and(|minor| minor.parse::<u16>().is_ok()));
    let controls = rest.strip_prefix(": ")?;
    known.then(|| Reason::PodSecurity {
        standard: standard.into(),
        version: version.into(),
        fields: split(controls).into_iter().map(control).collect(),
    })
}

/// At the commas between controls, of which details in parentheses have their own. An added capability is quoted as it is, so one
/// with quotes and parentheses in its name can make the list wrong; never the guard.
fn split(controls: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quoted) = (Vec::new(), 0, 0usize, false);
    for (at, char) in controls.char_indices() {
        match char {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(&controls[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&controls[from..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn control(text: &str) -> Control {
    match text.split_once(" (") {
        Some((name, detail)) => {
            Control { name: name.into(), detail: Some(detail.strip_suffix(')').unwrap_or(detail).into()) }
        }
        None => Control { name: text.into(), detail: None },
    }
}
