//! What is said of many cells, said once.
//!
//! Two cells have one cause where the same is said of both, or where what is said differs in nothing but their own names: the
//! namespace, the node, the pod that the run started there.
use harness::record::{Cell, Record};

/// Names of cells that are listed; of more, their number.
const LISTED: usize = 3;

/// Where this many things are said of a scenario's cells, nobody reads that two of the others are the same; and there may be thousands of cells.
const COMPARED: usize = 100;

/// What every object of a run begins with; a probe's pod ends with a sum of where it is.
const OWN: &str = "oke-conformance-";
const SUM: usize = 8;

/// One cause, and the cells that have it.
pub(crate) struct Cause<'r> {
    /// The cells, in their order.
    pub(crate) cells: Vec<&'r Cell>,
    /// What is said of the first of them.
    pub(crate) sentence: Sentence,
    /// Which of its words differ from cell to cell.
    differs: Vec<bool>,
}

impl<'r> Cause<'r> {
    /// The causes of those cells of `record` that `said` has something to say of.
    pub(crate) fn of(record: &'r Record, said: impl Fn(&Cell) -> Option<String>) -> Vec<Self> {
        let mut causes: Vec<Self> = Vec::new();
        for cell in &record.cells {
            let Some(said) = said(cell) else { continue };
            let sentence = Sentence::of(&said, &cell.own_names(record.scope));
            match causes.iter_mut().take(COMPARED).find(|cause| cause.sentence.is_but_for_names(&sentence)) {
                Some(cause) => {
                    cause.cells.push(cell);
                    let words = cause.sentence.0.iter().zip(&sentence.0);
                    cause
                        .differs
                        .iter_mut()
                        .zip(words)
                        .for_each(|(differs, (one, other))| *differs |= one.text != other.text);
                }
                None => causes.push(Self { cells: vec![cell], differs: vec![false; sentence.0.len()], sentence }),
            }
        }
        causes
    }

    /// In the first cell's own words; where others' differ, with `NAMESPACE` and the like in their place.
    pub(crate) fn said(&self) -> String {
        let words = self.sentence.0.iter().zip(&self.differs);
        words.map(|(word, differs)| if *differs { word.own.unwrap_or_default() } else { &word.text }).collect()
    }

    /// Which cells, as a part of a sentence.
    pub(crate) fn whose(&self) -> String {
        match self.cells.as_slice() {
            [cell] => cell.name.clone(),
            cells => format!("{} cells ({})", cells.len(), listed(cells.iter().map(|cell| &*cell.name))),
        }
    }
}

/// The first few of them, and how many more there are.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let shown = names.take(LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// What is said of a cell, word by word and with all that is between them.
#[derive(Clone, Debug)]
pub(crate) struct Sentence(Vec<Word>);

#[derive(Clone, Debug)]
struct Word {
    text: String,
    /// What it is a name of, where it is one of the cell's own.
    own: Option<&'static str>,
}

impl Sentence {
    fn of(text: &str, names: &[(&'static str, &str)]) -> Self {
        let mut words = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let own = names.iter().find(|(_, name)| is_next(rest, name)).map(|(what, name)| (*what, name.len()));
            let own = own.or_else(|| own_pod(rest).map(|length| ("POD", length)));
            let length = match own {
                Some((_, length)) => length,
                None if in_a_word(character) => rest.find(|next| !in_a_word(next)).unwrap_or(rest.len()),
                None => rest.find(in_a_word).unwrap_or(rest.len()),
            };
            let (word, after) = rest.split_at(length);
            words.push(Word { text: word.to_owned(), own: own.map(|(what, _)| what) });
            rest = after;
        }
        Self(words)
    }

    /// Whether the same is said of both cells, but for their own names: where one has its own, the other has its own of the same kind.
    pub(crate) fn is_but_for_names(&self, other: &Self) -> bool {
        let alike = |one: &Word, other: &Word| one.text == other.text || one.own.is_some() && one.own == other.own;
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(one, other)| alike(one, other))
    }
}

fn is_next(text: &str, name: &str) -> bool {
    !name.is_empty() && text.strip_prefix(name).is_some_and(|after| !after.chars().next().is_some_and(in_a_word))
}

/// How long the name of a probe's pod is that the text begins with.
fn own_pod(text: &str) -> Option<usize> {
    let word = text.split(|character| !in_a_word(character)).next()?;
    let (_, sum) = word.strip_prefix(OWN)?.rsplit_once('-')?;
    let is_sum = sum.len() == SUM && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_sum.then_some(word.len())
}

/// Names of namespaces, nodes and pods are made of these; a dot is also what ends a sentence.
fn in_a_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::record::Outcome;
    use harness::scenario::{Impact, Scope, Severity};
    use rstest::rstest;

    fn record(scope: Scope, cells: &[(&str, &str)]) -> Record {
        let cells = cells.iter().map(|(name, why)| Cell {
            name: (*name).into(),
            outcome: Outcome::inconclusive(*why),
            elapsed_ms: 0,
            denied_after_ms: None,
            attempts: 0,
        });
        Record {
            id: "c/s".into(),
            title: String::new(),
            explanation: String::new(),
            guidance: Vec::new(),
            also: Vec::new(),
            severity: Severity::Low,
            impact: Impact::DryRun,
            scope,
            outcome: Outcome::inconclusive(""),
            cells: cells.collect(),
            started_ms: 0,
            elapsed_ms: 0,
        }
    }

    #[rstest]
    #[case::the_same_words(Scope::EachNamespace, &[("a", "no room"), ("b", "no room")], &["2 cells (a, b): no room"])]
    #[case::other_words(Scope::EachNamespace, &[("a", "no room"), ("b", "no key")], &["a: no room", "b: no key"])]
    #[case::own_namespace(
        Scope::EachNamespace,
        &[("a", "a:deployer may not in a"), ("b", "b:deployer may not in b")],
        &["2 cells (a, b): NAMESPACE:deployer may not in NAMESPACE"]
    )]
    #[case::anothers_namespace(Scope::EachNamespace, &[("a", "c is full"), ("b", "d is full")], &["a: c is full", "b: d is full"])]
    #[case::a_part_of_a_word(Scope::EachNamespace, &[("a", "a-1 is full"), ("b", "b-1 is full")], &["a: a-1 is full", "b: b-1 is full"])]
    #[case::a_name_that_is_a_word_of_the_sentence(
        Scope::EachNamespace,
        &[("control", "no control"), ("a", "no control")],
        &["2 cells (control, a): no control"]
    )]
    #[case::an_account_that_is_called_as_one_of_the_namespaces(
        Scope::EachNamespace,
        &[("default", "default:default for x"), ("a", "a:default for x"), ("b", "b:default for x")],
        &["3 cells (default, a, b): NAMESPACE:default for x"]
    )]
    #[case::the_other_way_round(
        Scope::EachNamespace,
        &[("a", "a:default for x"), ("default", "default:default for x")],
        &["2 cells (a, default): NAMESPACE:default for x"]
    )]
    #[case::at_the_end_of_a_sentence(Scope::EachNamespace, &[("a", "not in a."), ("b", "not in b.")], &["2 cells (a, b): not in NAMESPACE."])]
    #[case::in_a_host_name(Scope::EachNamespace, &[("a", "w.a.svc"), ("b", "w.b.svc")], &["2 cells (a, b): w.NAMESPACE.svc"])]
    #[case::pairs(
        Scope::EachPair,
        &[("a -> b", "from a to b"), ("b -> a", "from b to a"), ("a -> c", "from c to a")],
        &["2 cells (a -> b, b -> a): from NAMESPACE to OTHER-NAMESPACE", "a -> c: from c to a"]
    )]
    #[case::namespaces_on_nodes(
        Scope::EachNamespaceOnEachPool,
        &[("a on n1.x", "the probe in a on n1.x is gone"), ("a on n2.x", "the probe in a on n2.x is gone")],
        &["2 cells (a on n1.x, a on n2.x): the probe in a on NODE is gone"]
    )]
    #[case::own_pods(
        Scope::EachNamespace,
        &[("a", "pods \"oke-conformance-r1-0a1b2c3d\" is forbidden"), ("b", "pods \"oke-conformance-r1-ffffffff\" is forbidden")],
        &["2 cells (a, b): pods \"POD\" is forbidden"]
    )]
    #[case::one_cell_keeps_its_words(Scope::EachNamespace, &[("a", "in a")], &["a: in a"])]
    #[case::many(
        Scope::EachNamespace,
        &[("a", "no"), ("b", "no"), ("c", "no"), ("d", "no"), ("e", "no")],
        &["5 cells (a, b, c and 2 more): no"]
    )]
    fn one_cause_is_said_once(#[case] scope: Scope, #[case] cells: &[(&str, &str)], #[case] expected: &[&str]) {
        let record = record(scope, cells);
        let causes = Cause::of(&record, |cell| match &cell.outcome {
            Outcome::Inconclusive { why, .. } => Some(why.clone()),
            _ => None,
        });
        let told: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.whose(), cause.said())).collect();
        assert_eq!(told, expected);
    }
}
