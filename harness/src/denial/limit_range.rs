//! LimitRange: `maximum cpu usage per Container is 1, but limit is 2`; several complaints are a list in brackets.
use std::fmt;

use serde::Serialize;

use super::Reason;
use super::go_text::name;

/// Which bound of a LimitRange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// `max`.
    Maximum,
    /// `min`.
    Minimum,
    /// `maxLimitRequestRatio`.
    Ratio,
}

/// A bound that is passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Which.
    pub edge: Edge,
    /// `cpu`.
    pub resource: String,
    /// `Container`, `Pod`, `PersistentVolumeClaim`.
    pub per: String,
    /// The bound.
    pub bound: String,
    /// What was asked for; nothing where it was left open.
    pub asked: Option<String>,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edge = match self.edge {
            Edge::Maximum => "at most",
            Edge::Minimum => "at least",
            Edge::Ratio => "a limit of at most its request times",
        };
        write!(f, "a {} has {edge} {} of {}", self.per, self.bound, self.resource)?;
        self.asked.as_ref().map_or(f.write_str(", not none"), |asked| write!(f, ", not {asked}"))
    }
}

/// kubernetes, plugin/pkg/admission/limitranger/admission.go
pub fn refusal(reason: &str) -> Option<Reason> {
    let (list, many) = match reason.strip_prefix('[') {
        Some(list) => (list.strip_suffix(']')?, true),
        None => (reason, false),
    };
    let (first, mut rest) = complaint(list)?;
    let mut limits = vec![first];
    while many && !rest.is_empty() {
        let (next, after) = complaint(rest.strip_prefix(", ")?)?;
        limits.push(next);
        rest = after;
    }
    rest.is_empty().then_some(Reason::LimitRange { limits })
}

fn complaint(text: &str) -> Option<(Limit, &str)> {
    let (edge, text, infix) = if let Some(text) = text.strip_prefix("maximum ") {
        (Edge::Maximum, text, " usage per ")
    } else if let Some(text) = text.strip_prefix("minimum ") {
        (Edge::Minimum, text, " usage per ")
    } else {
        (Edge::Ratio, text, " max limit to request ratio per ")
    };
    let (resource, rest) = name(text)?;
    let (per, rest) = name(rest.strip_prefix(infix)?)?;
    let (bound, rest) = amount(rest.strip_prefix(" is ")?)?;
    let (asked, rest) = asked(edge, rest)?;
    let limit = Limit { edge, resource: resource.into(), per: per.into(), bound: bound.into(), asked };
    Some((limit, rest))
}

fn asked(edge: Edge, text: &str) -> Option<(Option<String>, &str)> {
    let (nothing, something): (&[&str], &[&str]) = match edge {
        Edge::Ratio => (
            &[", but no request is specified or request is 0", ", but no limit is specified or limit is 0"],
            &[", but provided ratio is "],
        ),
        _ => (&[".  No request is specified", ".  No limit is specified"], &[", but request is ", ", but limit is "]),
    };
    if let Some(rest) = nothing.iter().find_map(|words| text.strip_prefix(words)) {
        return Some((None, rest));
    }
    let (asked, rest) = something.iter().find_map(|words| amount(text.strip_prefix(words)?))?;
    Some((Some(asked.into()), rest))
}

/// A quantity: ends at the first character that is in none, or at the dot of `.  No request`.
fn amount(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|char: char| !(char.is_ascii_alphanumeric() || "+-.".contains(char))).unwrap_or(text.len());
    let end = end - usize::from(text[..end].ends_with('.'));
    (end > 0).then(|| text.split_at(end))
}
