//! Policies with holes in them, made from the range's own.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::catalogue::{ELSEWHERE, HARDENED, Hole, Kept, PLACES, Placed};
use super::gatekeeper::OfGatekeeper;
use super::kyverno::OfKyverno;
use super::ways::Policy;
use crate::range::{data_dir, read_all};

/// On everything that a hole has made, by which it goes again.
pub(super) const OURS: &str = "oke-conformance.range/hole";

/// What is in place of the range's own policies while `holes` are there: in each place policies of its own.
///
/// # Errors
/// When the range's own are not as they are taken for.
pub(super) fn with(holes: &[Placed]) -> Result<Vec<Value>> {
    let places = PLACES.into_iter().chain([ELSEWHERE]);
    let all = places.map(|place| {
        let here: Vec<&Hole> = holes.iter().filter(|placed| placed.place == place).map(|placed| &placed.hole).collect();
        let mut policies = with_in(&here)?;
        policies.iter_mut().for_each(|document| keep_to(place, document));
        Ok(policies)
    });
    Ok(all.collect::<Result<Vec<_>>>()?.concat())
}

/// Has a policy and its binding be about one place.
fn keep_to(place: &str, document: &mut Value) {
    let is_binding = document["kind"] == BINDING;
    if is_binding {
        let selector = &mut document["spec"]["matchResources"]["namespaceSelector"];
        let kept = match (place, selector["matchExpressions"].take()) {
            (ELSEWHERE, Value::Array(others)) => [others, vec![but_in(&PLACES)]].concat(),
            (ELSEWHERE, _) => vec![but_in(&PLACES)],
            _ => vec![json!({ "key": NAME, "operator": "In", "values": [place] })],
        };
        *selector = json!({ "matchExpressions": kept });
    }
    if place != ELSEWHERE {
        document["metadata"]["labels"] = json!({ OURS: "" });
        let own = |name: &Value| Value::from(format!("{}-{place}", name.as_str().unwrap_or_default()));
        document["metadata"]["name"] = own(&document["metadata"]["name"]);
        if is_binding {
            document["spec"]["policyName"] = own(&document["spec"]["policyName"]);
        }
    }
}

fn but_in(namespaces: &[&str]) -> Value {
    json!({ "key": NAME, "operator": "NotIn", "values": namespaces })
}

/// The label by which a namespace is selected by its name.
const NAME: &str = "kubernetes.io/metadata.name";
const BINDING: &str = "ValidatingAdmissionPolicyBinding";

fn with_in(holes: &[&Hole]) -> Result<Vec<Value>> {
    let mut standards = documents("engines/admission-policy")?;
    let mut besides = HARDENED.iter().map(|file| Ok((*file, read(file)?))).collect::<Result<Vec<_>>>()?;
    let mut made = Vec::new();
    for (number, hole) in holes.iter().enumerate() {
        match hole.kept {
            Kept::Standards(rules) => made.extend(apart(&mut standards, rules, &format!("hole-{number}"), hole)?),
            Kept::Hardened(file) => {
                let own = besides.iter_mut().find(|(name, _)| *name == file).map(|(_, own)| own.as_mut_slice());
                let Some([policy, binding]) = own else { bail!("{file} is no policy with its binding") };
                open(policy, binding, hole)?;
            }
        }
    }
    Ok([standards, besides.into_iter().flat_map(|(_, own)| own).collect(), made].concat())
}

fn open(policy: &mut Value, binding: &mut Value, hole: &Hole) -> Result<()> {
    let whole = Policy { spec: policy["spec"].clone(), binding: binding["spec"].clone() };
    let mut opened = whole.clone();
    (hole.way.open)(&mut opened);
    ensure!(opened != whole, "{}: this opens nothing: {}", hole.scenario, hole.way.what);
    (policy["spec"], binding["spec"]) = (opened.spec, opened.binding);
    Ok(())
}

/// Takes the rules out of the policies that have them, into some of their own with the hole.
fn apart(standards: &mut [Value], rules: &[&str], name: &str, hole: &Hole) -> Result<Vec<Value>> {
    let bindings = standards.to_vec();
    let (mut made, mut opens) = (Vec::new(), false);
    for (own, spec) in taken(standards, rules)? {
        let binding = bindings.iter().find(|document| document["spec"]["policyName"] == own.as_str());
        let binding = binding.with_context(|| format!("nothing binds {own}"))?["spec"].clone();
        let whole = Policy { spec, binding };
        let mut opened = whole.clone();
        (hole.way.open)(&mut opened);
        opens |= opened != whole;
        let name = format!("pod-security-{name}-{}", made.len());
        opened.binding["policyName"] = name.clone().into();
        let document = |kind: &str, spec: Value| {
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "spec": spec,
                "metadata": { "name": name, "labels": { OURS: "" } },
            })
        };
        made.push(document("ValidatingAdmissionPolicy", opened.spec));
        made.push(document(BINDING, opened.binding));
    }
    ensure!(opens, "{}: this opens nothing: {}", hole.scenario, hole.way.what);
    Ok(made)
}

/// Takes the rules whose messages begin with one of the words out of the policies: by policy, its specification with nothing else.
fn taken(standards: &mut [Value], rules: &[&str]) -> Result<Vec<(String, Value)>> {
    let mut taken = Vec::new();
    for policy in standards.iter_mut().filter(|document| document["kind"] == "ValidatingAdmissionPolicy") {
        let name = policy["metadata"]["name"].as_str().context("a policy without a name")?.to_owned();
        let validations = policy["spec"]["validations"].as_array_mut().context("a policy without rules")?;
        let is_meant =
            |rule: &Value| rule["message"].as_str().is_some_and(|said| rules.iter().any(|word| said.starts_with(word)));
        let (meant, rest): (Vec<_>, Vec<_>) = std::mem::take(validations).into_iter().partition(is_meant);
        // A policy must have some.
        *validations = if rest.is_empty() { vec![json!({ "expression": "true" })] } else { rest };
        if !meant.is_empty() {
            let mut spec = policy["spec"].clone();
            spec["validations"] = meant.into();
            taken.push((name, spec));
        }
    }
    Ok(taken)
}

/// What is in place of the range's own policies while Kyverno keeps some of their rules, with a hole in each of its policies: of the API server,
/// and of Kyverno, exceptions first.
///
/// # Errors
/// When the range's own are not as they are taken for.
pub(super) fn with_kyverno(holes: &[OfKyverno]) -> Result<(Vec<Value>, Vec<Value>)> {
    let (mut all, mut made, mut exceptions) = (Vec::new(), Vec::new(), Vec::new());
    for place in PLACES.into_iter().chain([ELSEWHERE]) {
        let mut standards = documents("engines/admission-policy")?;
        for hole in holes.iter().filter(|hole| hole.place == place) {
            for (number, (_, spec)) in taken(&mut standards, hole.rules)?.into_iter().enumerate() {
                let name = format!("hole-{place}-{}-{number}", hole.scenario.rsplit('/').next().unwrap_or_default());
                let (whole, opened) = hole.made(&name, &spec);
                ensure!(opened != whole, "{}: this opens nothing: {}", hole.scenario, hole.what);
                made.extend(opened.policies);
                exceptions.extend(opened.exceptions);
            }
        }
        standards.iter_mut().for_each(|document| keep_to(place, document));
        all.extend(standards);
    }
    Ok((all, [exceptions, made].concat()))
}

/// What Gatekeeper is given.
#[derive(Debug, Default)]
pub(super) struct OfTemplates {
    pub(super) templates: Vec<Value>,
    pub(super) constraints: Vec<Value>,
}

/// What is in place of the range's own policies while Gatekeeper keeps some of their rules, with a hole in each of its constraints or beside it.
///
/// # Errors
/// When the range's own are not as they are taken for.
pub(super) fn with_gatekeeper(holes: &[OfGatekeeper]) -> Result<(Vec<Value>, OfTemplates)> {
    let (mut all, mut made) = (Vec::new(), OfTemplates::default());
    for place in PLACES.into_iter().chain([ELSEWHERE]) {
        let mut standards = documents("engines/admission-policy")?;
        for (number, hole) in holes.iter().enumerate().filter(|(_, hole)| hole.place == place) {
            for (part, (_, spec)) in taken(&mut standards, hole.rules)?.into_iter().enumerate() {
                let (whole, opened) = hole.made(&format!("hole-{number}-{part}"), &spec);
                let opens = opened != whole || !hole.is_in_it();
                ensure!(opens, "{}: this opens nothing: {}", hole.scenario, hole.what);
                made.templates.push(opened.template);
                made.constraints.push(opened.constraint);
            }
        }
        standards.iter_mut().for_each(|document| keep_to(place, document));
        all.extend(standards);
    }
    Ok((all, made))
}

fn documents(directory: &str) -> Result<Vec<Value>> {
    let all = read_all(&data_dir().join(directory))?;
    let parsed = all.iter().map(|(file, text)| parsed(file, text)).collect::<Result<Vec<_>>>()?;
    Ok(parsed.concat())
}

fn read(file: &str) -> Result<Vec<Value>> {
    let path = data_dir().join(file);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    parsed(file, &text)
}

fn parsed(file: &str, text: &str) -> Result<Vec<Value>> {
    serde_saphyr::from_multiple(text).with_context(|| format!("{file} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::{all, rounds};
    use super::*;

    #[test]
    fn every_way_opens_something_in_its_rule() {
        let all = all();
        for round in rounds(&all) {
            with(&round).unwrap();
        }
        with_kyverno(&super::super::kyverno::all()).unwrap();
        with_gatekeeper(super::super::gatekeeper::ALL).unwrap();
    }
}
