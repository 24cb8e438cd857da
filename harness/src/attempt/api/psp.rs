//! PodSecurityPolicy, on clusters below 1.25: whether the plug-in acts, and who may use which policy.
//!
//! The plug-in writes the name of the policy that admits a pod into the pod, over whatever stood there (kubernetes v1.24,
//! plugin/pkg/admission/security/podsecuritypolicy/admission.go, Admit), on a dry run too: an admitted pod says under which policy, or
//! that there was none. A policy may be used by whoever asks for the pod, or by the account that the pod runs as.
use std::fmt;

use futures::StreamExt;
use futures::stream;
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::attempt::api::admission::{AT_ONCE, Target};
use crate::cluster::api::{self, Reply};
use crate::cluster::persona::Persona;
use crate::cx::Cx;
use crate::denial::{Denial, Reason};
use crate::record::facts::ClusterFacts;
use crate::standard::{self, PRIVILEGED, Variant};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// Where the plug-in writes which policy admitted a pod.
const ADMITTED_UNDER: &str = "kubernetes.io/psp";
/// A policy that nobody has.
const NOBODY: &str = "oke-conformance-nobody";

impl Cx {
    /// The PodSecurityPolicies of a cluster that knows them.
    ///
    /// # Errors
    /// Not applicable where the API server does not serve them; inconclusive where they cannot be listed.
    pub async fn pod_security_policies(&self) -> Result<Policies<'_>, NoVerdict> {
        let (kind, plural) = ("policy/v1beta1", "podsecuritypolicies");
        if !self.env.discovery.serves(kind, plural, "list").await? {
            let ClusterFacts { version, admission, .. } = &self.env.facts;
            let others = if admission.is_empty() { "nothing that is known here".into() } else { admission.join(", ") };
            return Err(NoVerdict::not_applicable(format!(
                "this API server ({version}) serves no PodSecurityPolicy, which ended with Kubernetes 1.25; what decides about pods here, as far as can be seen: {others}"
            )));
        }
        let policies = self.survey().custom(kind, plural).await?;
        let names = policies.iter().filter_map(|policy| policy["metadata"]["name"].as_str());
        Ok(Policies { cx: self, names: names.map(str::to_owned).collect() })
    }
}

/// The policies of a cluster that knows them, and the cell that asks.
pub struct Policies<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) names: Vec<String>,
}

/// What became of a pod.
#[derive(Debug)]
enum Answer {
    /// Admitted, under the policy that the answer names.
    Admitted(Under),
    /// Refused by a guard that is known.
    Refused(Guard, Reason, String),
    /// Neither.
    Unclear(String),
}

/// What an admitted pod says of the policy that admitted it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Under(Option<String>);

impl Policies<'_> {
    /// Attempts, as the one who deploys in the cell's namespace, everything that `controls` forbid. Expected: the plug-in refuses it. Control:
    /// the pod that all of them were made from is admitted at the same moment, under a policy.
    ///
    /// # Errors
    /// Not applicable where there are no policies, or where the plug-in does not act and another guard refuses everything; inconclusive
    /// without control, or where somebody else refuses.
    pub async fn enforced(self, controls: &[&'static standard::Control]) -> Attempted {
        self.any()?;
        let author = self.cx.deployer(self.cx.namespace()?).await?;
        author.speaks(self.enforced_for(&author.persona, controls).await)
    }

    async fn enforced_for(self, author: &Persona, controls: &[&'static standard::Control]) -> Attempted {
        let namespace = self.cx.namespace()?;
        let (plain, forbidden) = self.pods(controls)?;
        let ((tried, slowest_ms), (control, _)) = tokio::join!(self.all(author, forbidden), self.ask(author, &plain));
        let (who, all) = (&author.name, tried.len());
        let admitted = admitted(&tried);
        if !admitted.is_empty() {
            let told = format!("{who} may have in {namespace} {} of {all}: {}", admitted.len(), admitted.join("; "));
            return Ok(Verdict::allowed(told));
        }
        let control = proved(control, who, namespace);
        self.replaced(&control, &tried)?;
        let (_, control) = control?;
        let first = refused_by_policies(tried)?;
        let evidence = format!("{all} of {all} refused; the first: {first}");
        Ok(Verdict::denied(Guard::Psp, evidence, control, slowest_ms).of_attempts(all))
    }

    /// Attempts what `controls` forbid as the operator, who was granted no policy: he stands for any account there is. Expected: the plug-in
    /// refuses it, and without any policy the plain pod too. Control: the plain pod is admitted at the same moment for the one who deploys
    /// there and may use a policy.
    ///
    /// # Errors
    /// As [`Policies::enforced`]; inconclusive also where the operator may use what others may not.
    pub async fn use_authorised(self, controls: &[&'static standard::Control]) -> Attempted {
        self.any()?;
        let (namespace, personas) = (self.cx.namespace()?, &self.cx.env.personas);
        let (plain, forbidden) = self.pods(controls)?;
        let operator = &personas.operator;
        let deployer = self.cx.who_deploys(namespace).await?;
        let control = async {
            match &deployer {
                Ok(deployer) => proved(self.ask(deployer, &plain).await.0, &deployer.name, namespace),
                Err(why) => Err(NoVerdict::inconclusive(format!("no control: {why}"))),
            }
        };
        let ((mut tried, slowest_ms), (bare, _), control) =
            tokio::join!(self.all(operator, forbidden), self.ask(operator, &plain), control);
        let (mut whoever, mut own) = (Vec::new(), Vec::new());
        for (what, answer) in &tried {
            match answer {
                Answer::Admitted(under @ Under(Some(policy))) if !self.may_default_use(policy).await? => {
                    own.push(format!("{what}: admitted {under}"));
                }
                Answer::Admitted(under) => whoever.push(format!("{what}: admitted {under}")),
                _ => {}
            }
        }
        if !whoever.is_empty() {
            return Ok(Verdict::allowed(format!(
                "an account that was granted no policy may have in {namespace} {} of {}, as may its default account: {}",
                whoever.len(),
                tried.len(),
                whoever.join("; ")
            )));
        }
        if !own.is_empty() {
            return Err(NoVerdict::inconclusive(format!(
                "{} may use what {namespace}'s default account may not, and says nothing of anybody else: run with a credential that was granted no policy ({})",
                operator.name,
                own.join("; ")
            )));
        }
        self.replaced(&control, &tried)?;
        let mut control = control;
        let told = match bare {
            Answer::Refused(Guard::Psp, Reason::PspUnusable, said) => {
                tried.push(("the plain pod".into(), Answer::Refused(Guard::Psp, Reason::PspUnusable, said.clone())));
                format!("without a policy that it may use, not even the plain pod is admitted: {said}")
            }
            Answer::Admitted(Under(Some(policy))) => {
                let everybodys = self.may_default_use(&policy).await?;
                let under = Under(Some(policy));
                let whose = if everybodys {
                    "any account may use".to_owned()
                } else {
                    format!("{namespace}'s default account may not use")
                };
                let told = format!("the plain pod is admitted {under}, which {whose}");
                // Everybody's policy is a control of its own where nobody is known to deploy.
                if everybodys && deployer.is_err() {
                    control = Ok((under, Control::proved(told.clone())));
                }
                told
            }
            bare => {
                tried.push(("the plain pod".into(), bare));
                String::new()
            }
        };
        let (_, control) = control?;
        let all = tried.len();
        let first = refused_by_policies(tried)?;
        let evidence = format!("{all} of {all} refused; the first: {first}; {told}");
        Ok(Verdict::denied(Guard::Psp, evidence, control, slowest_ms).of_attempts(all))
    }

    /// Attempts to pass off a pod as admitted under a policy that nobody has, as the one who deploys. Expected: the plug-in judges the pod
    /// itself, and names the policy by which. Control: the same pod without the claim is admitted at the same moment. Where the claim stays
    /// as it is, nobody has looked: a privileged pod shows whether anything else does.
    ///
    /// # Errors
    /// Not applicable where the plug-in does not act and another guard refuses the privileged pod; inconclusive without control.
    pub async fn acts(self) -> Attempted {
        let author = self.cx.deployer(self.cx.namespace()?).await?;
        author.speaks(self.acts_on(&author.persona).await)
    }

    async fn acts_on(self, author: &Persona) -> Attempted {
        let namespace = self.cx.namespace()?;
        let (plain, forbidden) = self.pods(&[&PRIVILEGED])?;
        // The last is a bare one.
        let privileged = forbidden.into_iter().next_back().map(|variant| variant.document).unwrap_or_default();
        let mut claiming = plain.clone();
        claiming["metadata"]["annotations"][ADMITTED_UNDER] = NOBODY.into();
        let ((claimed, after_ms), (plain, _), (privileged, _)) =
            tokio::join!(self.ask(author, &claiming), self.ask(author, &plain), self.ask(author, &privileged));
        let (who, there) = (&author.name, self.there());
        let control = match plain {
            Answer::Admitted(under) => format!("the same pod without the claim was admitted {under} for {who}"),
            other => return Err(NoVerdict::inconclusive(format!("no control: {who}: the plain pod: {other}"))),
        };
        match claimed {
            Answer::Admitted(Under(Some(policy))) if policy != NOBODY => {
                let judged = match privileged {
                    Answer::Refused(Guard::Psp, _, said) => format!("; a privileged pod is refused: {said}"),
                    _ => String::new(),
                };
                let evidence = format!(
                    "in {namespace} a pod that claims to be admitted under {NOBODY} is judged all the same, and admitted under {policy}{judged}"
                );
                Ok(Verdict::denied(Guard::Psp, evidence, Control::proved(control), after_ms))
            }
            Answer::Admitted(_) => match privileged {
                Answer::Admitted(_) => Ok(Verdict::allowed(format!(
                    "{there}, and the plug-in does not act: a pod's claim to be admitted under {NOBODY} stays as it is, and {who} may have a privileged pod in {namespace}, for nothing else refuses it"
                ))),
                Answer::Refused(guard, _, said) => Err(NoVerdict::not_applicable(format!(
                    "{there}, and the plug-in does not act; {guard} decides about pods in its place: {said}"
                ))),
                Answer::Unclear(why) => Err(NoVerdict::inconclusive(format!(
                    "{there}, and the plug-in does not act; whether anything else does is unclear: {why}"
                ))),
            },
            other => Err(NoVerdict::inconclusive(format!("the pod with the claim: {other}"))),
        }
    }

    fn any(&self) -> Result<(), NoVerdict> {
        if self.names.is_empty() {
            return Err(NoVerdict::not_applicable("there is no PodSecurityPolicy that could be enforced or used"));
        }
        Ok(())
    }

    /// What exists, for the reader.
    fn there(&self) -> String {
        match self.names.as_slice() {
            [] => "there is no PodSecurityPolicy".into(),
            names => format!("PodSecurityPolicies are there ({})", names.join(", ")),
        }
    }

    /// The plug-in does not act, and somebody else refused everything: the policies are not what protects this cluster.
    fn replaced(
        &self,
        control: &Result<(Under, Control), NoVerdict>,
        tried: &[(String, Answer)],
    ) -> Result<(), NoVerdict> {
        let other =
            |(_, answer): &(String, Answer)| matches!(answer, Answer::Refused(guard, ..) if *guard != Guard::Psp);
        match (control, tried.first()) {
            (Ok((Under(None), _)), Some((_, Answer::Refused(guard, _, said)))) if tried.iter().all(other) => {
                Err(NoVerdict::not_applicable(format!(
                    "{}, and the plug-in does not act; {guard} decides about pods in its place: {said}",
                    self.there()
                )))
            }
            (Ok((Under(None), _)), _) => {
                Err(NoVerdict::inconclusive("no control: the plain pod was admitted, but under no policy"))
            }
            _ => Ok(()),
        }
    }

    /// The pod that must be admitted, and those that differ from it in one forbidden field, each once more without whatever else the pod
    /// says of its security: the more a pod asks for, the more policies refuse it, and a permissive one may refuse the rest alone.
    fn pods(&self, controls: &[&'static standard::Control]) -> Result<(Value, Vec<Variant>), NoVerdict> {
        let (plain, minor) = (self.cx.plain_pod()?, self.cx.facts().minor());
        let unwritten = |error: serde_json::Error| NoVerdict::inconclusive(error.to_string());
        let admitted = PRIVILEGED.admitted(&plain, minor).map_err(unwritten)?;
        let bare = bare(plain.clone());
        let mut forbidden = Vec::new();
        for control in controls {
            forbidden.extend(control.forbidden(&plain, minor).map_err(unwritten)?);
            let of_bare = control.forbidden(&bare, minor).map_err(unwritten)?;
            forbidden.extend(of_bare.into_iter().map(|of| Variant { what: format!("{BARE}{}", of.what), ..of }));
        }
        Ok((admitted, forbidden))
    }

    async fn all(&self, author: &Persona, forbidden: Vec<Variant>) -> (Vec<(String, Answer)>, u64) {
        let asked: Vec<_> = forbidden
            .into_iter()
            .map(|variant| async move { (variant.what, self.ask(author, &variant.document).await) })
            .collect();
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let slowest_ms = answers.iter().map(|(_, (_, after_ms))| *after_ms).max().unwrap_or_default();
        (answers.into_iter().map(|(what, (answer, _))| (what, answer)).collect(), slowest_ms)
    }

    async fn ask(&self, author: &Persona, pod: &Value) -> (Answer, u64) {
        let request =
            self.cx.namespace().and_then(|namespace| Target::Namespace(namespace.to_owned()).dry_run(&pod.to_string()));
        match request {
            Ok(request) => {
                let (reply, after_ms) = api::send(author, request).await;
                (Answer::of(reply), after_ms)
            }
            Err(why) => (Answer::Unclear(why.to_string()), 0),
        }
    }

    /// What the plug-in asks the authorizer, asked by the account that every namespace has and nobody should have granted anything.
    async fn may_default_use(&self, policy: &str) -> Result<bool, NoVerdict> {
        let namespace = self.cx.namespace()?;
        let account = self.cx.env.personas.service_account(namespace, "default").await?;
        let account =
            account.ok_or_else(|| NoVerdict::inconclusive(format!("{namespace} has no service account default")))?;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": "use", "group": "policy", "resource": "podsecuritypolicies", "name": policy, "namespace": namespace,
            } },
        });
        let request = Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
            .header("Content-Type", "application/json")
            .body(review.to_string().into_bytes())
            .map_err(|error| NoVerdict::inconclusive(format!("cannot build the request: {error}")))?;
        let unclear =
            |why: &str| NoVerdict::inconclusive(format!("cannot ask whether {} may use {policy}: {why}", account.name));
        match api::send(&account, request).await.0 {
            Reply::Accepted { body, .. } => {
                let review: Value = serde_json::from_str(&body).unwrap_or_default();
                review["status"]["allowed"].as_bool().ok_or_else(|| unclear("the answer does not say"))
            }
            Reply::Refused(status) => Err(unclear(&status.message)),
            Reply::Broken(why) => Err(unclear(&why)),
        }
    }
}

/// What each attempt of `controls` is called, for the reader.
pub fn attempts(controls: &[&standard::Control], minor: u32) -> Vec<String> {
    let of = |control: &&standard::Control| {
        let all = control.attempts(minor);
        let bare: Vec<String> = all.iter().map(|what| format!("{BARE}{what}")).collect();
        [all, bare].concat()
    };
    controls.iter().flat_map(of).collect()
}

/// Before what is attempted in a pod that says nothing else of its security.
const BARE: &str = "bare ";

/// The pod without what it says of its security.
fn bare(mut pod: Pod) -> Pod {
    if let Some(spec) = &mut pod.spec {
        spec.security_context = None;
        for container in &mut spec.containers {
            container.security_context = None;
        }
    }
    pod
}

/// A control: the plain pod, admitted.
fn proved(answer: Answer, who: &str, namespace: &str) -> Result<(Under, Control), NoVerdict> {
    match answer {
        Answer::Admitted(under) => {
            let control = Control::proved(format!("the pod without it was admitted in {namespace} for {who}, {under}"));
            Ok((under, control))
        }
        other => Err(NoVerdict::inconclusive(format!("no control: {who} in {namespace}: the plain pod: {other}"))),
    }
}

fn admitted(tried: &[(String, Answer)]) -> Vec<String> {
    let admitted = tried.iter().filter(|(_, answer)| matches!(answer, Answer::Admitted(_)));
    admitted.map(|(what, answer)| format!("{what}: {answer}")).collect()
}

/// The first refusal, where the plug-in made all of them.
fn refused_by_policies(tried: Vec<(String, Answer)>) -> Result<String, NoVerdict> {
    let mut first = None;
    let mut unclear = Vec::new();
    for (what, answer) in tried {
        match answer {
            Answer::Refused(Guard::Psp, _, said) => {
                first.get_or_insert_with(|| format!("{what}: {said}"));
            }
            other => unclear.push(format!("{what}: {other}, where {} should refuse", Guard::Psp)),
        }
    }
    if !unclear.is_empty() {
        return Err(NoVerdict::inconclusive(unclear.join("; ")));
    }
    first.ok_or_else(|| NoVerdict::inconclusive("nothing was attempted"))
}

impl Answer {
    fn of(reply: Reply) -> Self {
        match reply {
            Reply::Accepted { body, .. } => {
                let pod: Value = serde_json::from_str(&body).unwrap_or_default();
                Self::Admitted(Under(pod["metadata"]["annotations"][ADMITTED_UNDER].as_str().map(str::to_owned)))
            }
            Reply::Broken(why) => Self::Unclear(why),
            Reply::Refused(status) => match Denial::of_status(&status) {
                Some(Denial { guard, reason }) => Self::Refused(guard, reason, status.message.clone()),
                None => Self::Unclear(format!(
                    "refused, but by no guard that is known ({}): {}",
                    status.code, status.message
                )),
            },
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted(under) => write!(f, "admitted {under}"),
            Self::Refused(guard, _, said) => write!(f, "refused by {guard}: {said}"),
            Self::Unclear(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Under {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(policy) => write!(f, "under the policy {policy}"),
            None => f.write_str("under no policy: the plug-in does not act"),
        }
    }
}
