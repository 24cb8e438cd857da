//! How far the making of several parts has come, in the words of their compilers: `go list` says what there is to compile, `go build -v`
//! names each package as it gets to it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::progress::{Tell, words};

/// The parts that are being made.
pub(super) struct Compilation<'a> {
    /// Where lines about it are told.
    pub(super) tell: &'a dyn Tell,
    state: Mutex<State>,
}

impl<'a> Compilation<'a> {
    /// Of parts that are not made yet: Go parts have packages, others have not.
    pub(super) fn of(
        go_parts: impl IntoIterator<Item = &'static str>,
        others: impl IntoIterator<Item = &'static str>,
        tell: &'a dyn Tell,
    ) -> Self {
        let named = |name, has_packages| (name, Part { uncounted: has_packages, ..Part::default() });
        let parts = go_parts.into_iter().map(|name| named(name, true));
        let parts = parts.chain(others.into_iter().map(|name| named(name, false))).collect();
        Self { tell, state: Mutex::new(State { parts, ..State::default() }) }
    }

    /// What a part consists of, a package a line as [`IDENTITY`](super::go_part::IDENTITY) has it, and how many programs it links.
    pub(super) fn counted(&self, part: &str, packages: &str, programs: usize) {
        self.state().counted(part, packages, programs);
    }

    /// Hears a line of what Go says while it lists or builds a part; whether it was no more than news.
    pub(super) fn hears(&self, part: &str, line: &str) -> bool {
        self.state().hears(part, line, Instant::now())
    }

    /// The part is there. What the build cache held of it was never named, and is done all the same.
    pub(super) fn ended(&self, part: &str) {
        if let Some(part) = self.state().parts.get_mut(part) {
            part.ended = true;
        }
    }

    /// Whether the part has not been made yet.
    pub(super) fn lacks(&self, part: &str) -> bool {
        self.state().parts.get(part).is_some_and(|part| !part.ended)
    }

    /// One line about all of it.
    pub(super) fn status(&self, since: Duration) -> String {
        self.state().status(since, Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while counting")
    }
}

#[derive(Default)]
struct State {
    parts: BTreeMap<&'static str, Part>,
    /// By identity: what two parts share is compiled once.
    compiled: HashSet<String>,
    /// When the first of them was. Before, modules are fetched, at a pace of its own.
    begun: Option<Instant>,
    modules: usize,
}

#[derive(Default)]
struct Part {
    uncounted: bool,
    /// Identity by import path.
    packages: HashMap<String, String>,
    programs: usize,
    ended: bool,
}

impl Part {
    /// What linking costs, in packages: two seconds beside 135 for the 565 packages of etcd.
    fn links(&self) -> usize {
        (self.packages.len() * self.programs).div_ceil(70)
    }
}

/// No estimate before a twentieth is done: the first packages are the smallest.
const FIRST_SHARE: usize = 20;

impl State {
    fn counted(&mut self, part: &str, packages: &str, programs: usize) {
        let Some(part) = self.parts.get_mut(part) else { return };
        let path = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
        part.packages = packages.lines().map(|line| (path(line), line.to_owned())).collect();
        part.programs = programs;
        part.uncounted = false;
    }

    fn hears(&mut self, part: &str, line: &str, now: Instant) -> bool {
        if line.starts_with("go: downloading ") {
            self.modules += 1;
            return true;
        }
        // Whatever Go has to complain of has spaces in it.
        if line.is_empty() || line.contains(char::is_whitespace) {
            return false;
        }
        let identity = self.parts.get(part).and_then(|part| part.packages.get(line));
        let identity = identity.cloned().unwrap_or_else(|| line.to_owned());
        self.compiled.insert(identity);
        self.begun.get_or_insert(now);
        true
    }

    fn status(&self, since: Duration, now: Instant) -> String {
        let ended = self.parts.values().filter(|part| part.ended).count();
        let mut said = format!("{ended} of {} parts made", self.parts.len());
        let all: HashSet<&String> = self.parts.values().flat_map(|part| part.packages.values()).collect();
        let settled = self.parts.values().filter(|part| part.ended).flat_map(|part| part.packages.values());
        let settled: HashSet<&String> = settled.chain(&self.compiled).filter(|package| all.contains(package)).collect();
        let rest = all.len() - settled.len();
        let counted = self.parts.values().all(|part| part.ended || !part.uncounted);
        match self.begun {
            None if self.modules > 0 => said += &format!(", fetching modules ({} so far)", self.modules),
            None => {}
            Some(_) if !counted => said += &format!(", {} packages compiled, not all counted yet", self.compiled.len()),
            Some(_) if rest > 0 => said += &format!(", {} of {} packages compiled", settled.len(), all.len()),
            Some(_) if ended < self.parts.len() => said += &format!(", all {} packages compiled", all.len()),
            Some(_) => {}
        }
        said += &format!(", {}", words(since));
        if let Some(begun) = self.begun.filter(|_| counted) {
            said += &self.to_go(rest, now.duration_since(begun)).map(|left| format!(", {left}")).unwrap_or_default();
        }
        said
    }

    /// What is left, at the pace so far. Rounded up to what such an estimate is worth, so that it is never nothing.
    fn to_go(&self, packages: usize, spent: Duration) -> Option<String> {
        let links = |ended| self.parts.values().filter(|part| part.ended == ended).map(Part::links).sum::<usize>();
        let (worked, rest) = (self.compiled.len() + links(true), packages + links(false));
        if rest == 0 || worked * FIRST_SHARE < worked + rest {
            return None;
        }
        let seconds = spent.as_secs_f64() * rest as f64 / worked as f64;
        Some(match (seconds / 60.0).ceil() as u64 {
            0 | 1 => "about a minute to go".to_owned(),
            minutes => format!("about {minutes} min to go at this pace"),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const KUBERNETES: &str =
        "fmt\nk8s.io/api/core/v1 k8s.io/api v0.34.4\nk8s.io/kubernetes/cmd/kubelet k8s.io/kubernetes v1.34.4";
    const ETCD: &str = "fmt\ngo.uber.org/zap go.uber.org/zap v1.27.0\nk8s.io/api/core/v1 k8s.io/api v0.33.0";

    fn state(counted: bool) -> State {
        let part = || Part { uncounted: true, ..Part::default() };
        let parts = [("kubernetes", part()), ("etcd", part()), ("node-base", Part::default())].into();
        let mut state = State { parts, ..State::default() };
        if counted {
            state.counted("kubernetes", KUBERNETES, 1);
            state.counted("etcd", ETCD, 1);
        }
        state
    }

    #[rstest]
    #[case::nothing_yet(&[], &[], "0 of 3 parts made, 1 min 40 s")]
    #[case::modules(&[("etcd", "go: downloading go.uber.org/zap v1.27.0")], &[], "0 of 3 parts made, fetching modules (1 so far), 1 min 40 s")]
    #[case::one(&[("etcd", "fmt")], &[], "0 of 3 parts made, 1 of 5 packages compiled, 1 min 40 s, about 10 min to go at this pace")]
    #[case::shared_by_both(&[("etcd", "fmt"), ("kubernetes", "fmt")], &[], "0 of 3 parts made, 1 of 5 packages compiled, 1 min 40 s, about 10 min to go at this pace")]
    #[case::two_versions(
        &[("etcd", "k8s.io/api/core/v1"), ("kubernetes", "k8s.io/api/core/v1")], &[],
        "0 of 3 parts made, 2 of 5 packages compiled, 1 min 40 s, about 5 min to go at this pace"
    )]
    #[case::the_cache_had_the_rest(
        &[("etcd", "go.uber.org/zap")], &["etcd"],
        "1 of 3 parts made, 3 of 5 packages compiled, 1 min 40 s, about 3 min to go at this pace"
    )]
    #[case::linking(
        &[("kubernetes", "k8s.io/api/core/v1"), ("kubernetes", "k8s.io/kubernetes/cmd/kubelet")], &["etcd"],
        "1 of 3 parts made, all 5 packages compiled, 1 min 40 s, about a minute to go"
    )]
    #[case::compiled(&[("etcd", "fmt")], &["etcd", "kubernetes"], "2 of 3 parts made, all 5 packages compiled, 1 min 40 s")]
    fn what_is_told(#[case] heard: &[(&str, &str)], #[case] ended: &[&'static str], #[case] told: &str) {
        let mut state = state(true);
        let begun = Instant::now();
        for (part, line) in heard {
            assert!(state.hears(part, line, begun));
        }
        for part in ended {
            state.parts.get_mut(part).unwrap().ended = true;
        }
        assert_eq!(state.status(Duration::from_secs(100), begun + Duration::from_secs(100)), told);
    }

    #[test]
    fn nothing_is_foretold_before_all_is_counted() {
        let mut state = state(false);
        let begun = Instant::now();
        state.hears("etcd", "fmt", begun);
        state.counted("etcd", ETCD, 1);
        let told = state.status(Duration::from_secs(9), begun + Duration::from_secs(9));
        assert_eq!(told, "0 of 3 parts made, 1 packages compiled, not all counted yet, 9 s");
    }

    #[rstest]
    #[case::a_package_that_fails("# go.uber.org/zap")]
    #[case::its_place("zap/log.go:7:2: undefined: x")]
    #[case::a_module_that_fails("go: go.uber.org/zap@v1.27.0: missing go.sum entry")]
    fn a_complaint_is_no_news(#[case] line: &str) {
        assert!(!state(true).hears("etcd", line, Instant::now()));
    }
}
