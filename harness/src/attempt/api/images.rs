//! An image in every place where a pod can have one, and by every way into that place: made with the pod, put there later, brought by a debug
//! container.
use serde_json::{Value, json};

use crate::attempt::api::admission::{Admission, Target, document};
use crate::attempt::api::author::Author;
use crate::attempt::api::rules::may_change;
use crate::cx::Cx;
use crate::probe::pod;
use crate::standard::{SIDECARS_SINCE, Variant, with_company};
use crate::verdict::{Attempted, NoVerdict, together};
use crate::words::Guard;

/// What a registry says of an image that it does not have, through whoever has asked it (OCI Distribution: `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`).
pub(super) const NOT_THERE: &[&str] =
    &["manifest unknown", "manifest_unknown", "name unknown", "name_unknown", "not found", "unauthorized"];

/// One place of a pod that an image can stand in.
#[derive(Clone, Copy, Debug)]
struct Door {
    what: &'static str,
    /// Where from: a path into the pod.
    path: &'static str,
    since: u32,
}

const MADE: [Door; 4] = [
    Door { what: "a container", path: "/spec/containers/0", since: 0 },
    Door { what: "a second container", path: "/spec/containers/1", since: 0 },
    Door { what: "an init container", path: "/spec/initContainers/0", since: 0 },
    Door { what: "an init container that goes on", path: "/spec/initContainers/1", since: SIDECARS_SINCE },
];
/// An image that is named by nothing but its name.
const BARE: &str = "a container, without any tag";
/// The doors of a pod that is there.
const LATER: [&str; 2] = ["a container whose image is changed", "a debug container"];

/// Where images can come in, on a server of that minor version.
pub fn doors(minor: u32) -> Vec<&'static str> {
    made(minor).map(|door| door.what).chain([BARE]).chain(LATER).collect()
}

fn made(minor: u32) -> impl Iterator<Item = Door> {
    MADE.into_iter().filter(move |door| minor >= door.since)
}

impl Cx {
    /// Attempts to have an image named by tag where the probe's own image by digest is admitted, in pods of [`Cx::namespace`]: as the one who
    /// deploys there, and for debug containers as the operator.
    pub fn images_by_tag(&self) -> ByTag<'_> {
        ByTag { cx: self }
    }
}

/// Images by tag.
#[must_use = "name the expected guards with `denied_by`"]
pub struct ByTag<'a> {
    cx: &'a Cx,
}

impl<'a> ByTag<'a> {
    /// The guards whose refusal counts.
    pub fn denied_by(self, guards: &'static [Guard]) -> Guarded<'a> {
        Guarded { cx: self.cx, guards }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_admitting_digests`"]
pub struct Guarded<'a> {
    cx: &'a Cx,
    guards: &'static [Guard],
}

impl Guarded<'_> {
    /// The control: at the same moment the same image by digest comes in by each of these ways.
    ///
    /// # Errors
    /// Inconclusive where the image is not known by digest, a probe does not run, or a control is refused.
    pub async fn while_admitting_digests(self) -> Attempted {
        let Self { cx, guards } = self;
        let (namespace, image) = (cx.namespace()?, cx.env.probes.image().map_err(NoVerdict::Inconclusive)?);
        let tagged = tagged(cx)?;
        let (author, place) = (cx.deployer(namespace).await?, Target::Namespace(namespace.to_owned()));
        let plain = with_company(document(&cx.plain_pod()?)?, cx.env.facts.minor());
        let forbidden = made(cx.env.facts.minor()).map(|door| by(door.what, door, plain.clone(), &tagged)).collect();
        let made = Admission::of_all(&cx.env, author.clone(), place.clone(), forbidden);
        let made = made.denied_by(guards).not_because(NOT_THERE).while_admitting_document(plain.clone());
        // Means the tag `latest`, whether there is one or not.
        let untagged = vec![by(BARE, MADE[0], plain.clone(), untagged(&tagged))];
        let untagged = Admission::of_all(&cx.env, author.clone(), place, untagged);
        let untagged = untagged.denied_by(guards).while_admitting_document(plain);

        let probe = cx.probe(namespace, cx.node()?).await?;
        let of_probe = || (probe.namespace.clone(), probe.pod.clone());
        let agent = |image: &str| json!({ "name": pod::CONTAINER, "image": image });
        let (space, name) = of_probe();
        let changed = vec![Variant::of(LATER[0].into(), agent(&tagged))];
        let changed = Admission::of_all(&cx.env, author.clone(), Target::Image(space, name), changed);
        let changed = changed.denied_by(guards).not_because(NOT_THERE);
        let changed = changed.while_admitting_document(agent(&image.reference));

        let operator = Author::himself(cx.env.personas.operator.clone());
        let (space, name) = of_probe();
        let debug = vec![Variant::of(LATER[1].into(), pod::ephemeral(&tagged))];
        let debug = Admission::of_all(&cx.env, operator, Target::Pod(space, name), debug);
        let debug = debug.denied_by(guards).not_because(NOT_THERE);
        let debug = debug.while_admitting_document(pod::ephemeral(&image.reference));

        if !may_change(&author.persona, "pods", namespace).await? {
            let (made, untagged, debug) = tokio::join!(made, untagged, debug);
            return Ok(
                together([made, untagged, debug])?.told(&format!("who deploys in {namespace} may not change pods"))
            );
        }
        let (made, untagged, changed, debug) = tokio::join!(made, untagged, changed, debug);
        together([made, untagged, changed, debug])
    }
}

/// The probes' image by tag.
///
/// # Errors
/// Inconclusive where it is not known by digest.
pub(super) fn tagged(cx: &Cx) -> Result<String, NoVerdict> {
    let image = cx.env.probes.image_in_name();
    image.tagged().ok_or_else(|| {
        NoVerdict::inconclusive("the probes' image is not named by digest: name one that is with --agent-image")
    })
}

fn by(what: &str, door: Door, mut pod: Value, image: &str) -> Variant {
    if let Some(container) = pod.pointer_mut(door.path) {
        container["image"] = image.into();
    }
    Variant::of(what.into(), pod)
}

/// The reference without its tag.
fn untagged(tagged: &str) -> &str {
    match tagged.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => tagged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("r.example/a:v1", "r.example/a")]
    #[case("r.example:5000/a:v1", "r.example:5000/a")]
    #[case("r.example:5000/a", "r.example:5000/a")]
    fn a_name_is_left_of_a_tag(#[case] tagged: &str, #[case] expected: &str) {
        assert_eq!(untagged(tagged), expected);
    }

    #[rstest]
    #[case(28, 6)]
    #[case(29, 7)]
    fn one_image_differs_at_each_door(#[case] minor: u32, #[case] count: usize) {
        assert_eq!(doors(minor).len(), count);
        let plain = json!({ "spec": { "containers": [{ "name": "a", "image": "r.example/a@sha256:00" }] } });
        let plain = with_company(plain, minor);
        for door in made(minor) {
            let mut pod = by(door.what, door, plain.clone(), "r.example/a:v1").document;
            let container = pod.pointer_mut(door.path).unwrap();
            assert_eq!(container["image"], "r.example/a:v1");
            container["image"] = "r.example/a@sha256:00".into();
            assert_eq!(pod, plain, "{}", door.what);
        }
    }
}
