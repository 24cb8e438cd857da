//! The words that a cause of being inconclusive is known by.
use anyhow::{Result, bail};

use crate::glob;
use crate::printable::line;
use crate::record::outcome::PLACEHOLDERS;

/// Fewer characters are in causes that have nothing to do with each other.
const SHORTEST: usize = 8;

/// Words of a cause.
#[derive(Debug)]
pub(super) struct Cause {
    /// As the file has them.
    pub(super) says: String,
    glob: String,
}

impl Cause {
    /// The cause that `says` is a part of: on one line, as reports have it, with `*` for any run of characters, and with the words for
    /// each cell's own names in place of them.
    ///
    /// # Errors
    /// That it says too little to tell one cause from another.
    pub(super) fn of(says: String) -> Result<Self> {
        let glob: String = line(&says).split_inclusive(|next| !in_a_word(next)).map(with_stars).collect();
        let own = glob.chars().filter(|character| *character != '*' && !character.is_whitespace()).count();
        if own < SHORTEST {
            bail!(
                "says {says:?}, which other causes may say as well: quote at least {SHORTEST} characters of the one that is meant"
            );
        }
        Ok(Self { says, glob: format!("*{glob}*") })
    }

    /// Whether that is why.
    pub(super) fn is(&self, why: &str) -> bool {
        glob::matches(&self.glob, &line(why))
    }
}

/// A word with what ends it; names are no part of a cause.
fn with_stars(part: &str) -> String {
    let word = part.trim_end_matches(|end| !in_a_word(end));
    if PLACEHOLDERS.contains(&word) { format!("*{}", &part[word.len()..]) } else { part.to_owned() }
}

fn in_a_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const WHY: &str = "no control: pods \"oke-conformance-r1-0a1b2c3d\" in tenant-a\n  on worker-1 said\u{1b} nothing";

    #[rstest]
    #[case::a_part("no control", true)]
    #[case::over_a_line_break("in tenant-a on worker-1", true)]
    #[case::spaces_are_no_matter("  no \n control:  pods ", true)]
    #[case::as_a_report_shows_it("said\\u{1b} nothing", true)]
    #[case::as_the_record_has_it("said\u{1b} nothing", true)]
    #[case::any_run("no control: * said", true)]
    #[case::names_as_a_report_has_them("pods \"POD\" in NAMESPACE on NODE said", true)]
    #[case::two_of_a_kind("in NAMESPACE on OTHER-NAMESPACE said", true)]
    #[case::a_word_that_only_holds_one("in NAMESPACES on", false)]
    #[case::another_cause("no control: nobody answers", false)]
    #[case::another_case("No Control", false)]
    #[case::the_other_way_round("said nothing * no control", false)]
    fn a_cause_is_known_by_its_words(#[case] says: &str, #[case] expected: bool) {
        assert_eq!(Cause::of(says.into()).unwrap().is(WHY), expected);
    }

    #[rstest]
    #[case::everything("*")]
    #[case::two_letters("no")]
    #[case::stars_do_not_count("n*o* *c*****")]
    #[case::spaces_do_not_count("no       no")]
    #[case::names_do_not_count("NAMESPACE on OTHER-NAMESPACE")]
    fn what_any_cause_may_say_is_none(#[case] says: &str) {
        let expected = format!(
            "says {says:?}, which other causes may say as well: quote at least 8 characters of the one that is meant"
        );
        assert_eq!(Cause::of(says.into()).unwrap_err().to_string(), expected);
    }
}
