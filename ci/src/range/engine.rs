//! Policy engines: who keeps the Pod Security Standards on the range, one at a time.
//!
//! Each has a directory `ci/range/engines/NAME/` with a `README` line and its manifests. `without-pod-security.yaml` beside them takes the
//! standards out of Pod Security Admission's hands; what is refused then, another refuses.

pub(crate) mod gatekeeper;
mod image;
pub(crate) mod kyverno;
mod release;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::hardening;
use super::kubectl::Kubectl;
use super::manifests::{data_dir, read_all};
use super::names::Names;

/// Policies are taken up once a second, webhooks when their engine has registered them.
const JUDGES_WITHIN: Duration = Duration::from_secs(90);
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// Who keeps the standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Pod Security Admission, as the range is hardened.
    PodSecurity,
    /// ValidatingAdmissionPolicies.
    AdmissionPolicy,
    /// Kyverno, a webhook.
    Kyverno,
    /// Gatekeeper, another one.
    Gatekeeper,
}

impl Engine {
    /// All, the hardened range's own last, so that going through them ends with it.
    pub const ALL: [Self; 4] = [Self::AdmissionPolicy, Self::Kyverno, Self::Gatekeeper, Self::PodSecurity];

    /// Its directory's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PodSecurity => "pod-security",
            Self::AdmissionPolicy => "admission-policy",
            Self::Kyverno => "kyverno",
            Self::Gatekeeper => "gatekeeper",
        }
    }

    /// What it is, in one line.
    ///
    /// # Errors
    /// When its README cannot be read.
    pub fn summary(self) -> Result<String> {
        let readme = data_dir().join("engines").join(self.name()).join("README");
        let text = std::fs::read_to_string(&readme).with_context(|| format!("{} cannot be read", readme.display()))?;
        Ok(text.trim().to_owned())
    }

    /// The namespace that it runs in, where it is no part of the API server: Pod Security Admission keeps the standards there.
    pub(crate) fn home(self) -> Option<&'static str> {
        match self {
            Self::PodSecurity | Self::AdmissionPolicy => None,
            Self::Kyverno => Some(kyverno::HOME),
            Self::Gatekeeper => Some(gatekeeper::HOME),
        }
    }

    /// How its refusals begin.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::PodSecurity => "violates PodSecurity ",
            Self::AdmissionPolicy => "ValidatingAdmissionPolicy 'pod-security-",
            Self::Kyverno => "admission webhook \"validate.kyverno.svc-fail",
            Self::Gatekeeper => "admission webhook \"validation.gatekeeper.sh\" denied the request: [pod-security-",
        }
    }

    /// Makes this engine, and only it, the one that keeps the standards.
    pub(crate) async fn install(self, kubectl: &Kubectl, names: &Names, say: &dyn Fn(&str)) -> Result<()> {
        // Held by Pod Security while the engines change.
        hardening::apply(kubectl, names, &data_dir().join("hardened")).await?;
        for other in Self::ALL.into_iter().filter(|other| *other != self) {
            other.remove(kubectl).await.with_context(|| format!("engine {} cannot be taken away", other.name()))?;
        }
        match self {
            Self::PodSecurity | Self::AdmissionPolicy => {}
            Self::Kyverno => kyverno::install(kubectl, names, say).await?,
            Self::Gatekeeper => gatekeeper::install(kubectl, names, say).await?,
        }
        self.give_back(kubectl, names).await
    }

    /// Takes its protection away, and leaves the engine.
    pub(crate) async fn take_away(self, kubectl: &Kubectl) -> Result<()> {
        match self {
            Self::PodSecurity => without_pod_security(kubectl).await?,
            Self::AdmissionPolicy => kubectl.delete(&["validatingadmissionpolicybindings", "--selector", OURS]).await?,
            Self::Kyverno => kyverno::take_away(kubectl).await?,
            Self::Gatekeeper => gatekeeper::take_away(kubectl).await?,
        }
        self.until(kubectl, false).await
    }

    /// ... and gives it back.
    pub(crate) async fn give_back(self, kubectl: &Kubectl, names: &Names) -> Result<()> {
        match self {
            Self::PodSecurity => hardening::apply(kubectl, names, &data_dir().join("hardened")).await.map(drop)?,
            Self::AdmissionPolicy => kubectl.apply(&manifests(self, "")?).await.map(drop)?,
            Self::Kyverno => kyverno::give_back(kubectl).await?,
            Self::Gatekeeper => gatekeeper::give_back(kubectl).await?,
        }
        if self != Self::PodSecurity {
            without_pod_security(kubectl).await?;
        }
        self.until(kubectl, true).await
    }

    async fn remove(self, kubectl: &Kubectl) -> Result<()> {
        match self {
            Self::PodSecurity => Ok(()),
            Self::AdmissionPolicy => {
                let policies = "validatingadmissionpolicybindings,validatingadmissionpolicies";
                kubectl.delete(&[policies, "--selector", OURS]).await
            }
            Self::Kyverno => kyverno::remove(kubectl).await,
            Self::Gatekeeper => gatekeeper::remove(kubectl).await,
        }
    }

    /// Waits until it refuses what each of the standards forbids, by its own word, or until nobody does.
    async fn until(self, kubectl: &Kubectl, refuses: bool) -> Result<()> {
        let start = Instant::now();
        loop {
            let (shares, bare) = tokio::join!(answer(kubectl, true), answer(kubectl, false));
            let as_it_must = |said: &Option<String>| match said {
                Some(said) => refuses && said.contains(self.says()),
                None => !refuses,
            };
            if as_it_must(&shares) && as_it_must(&bare) {
                return Ok(());
            }
            if start.elapsed() > JUDGES_WITHIN {
                let told = |said: Option<String>| said.unwrap_or_else(|| "admitted".into());
                bail!(
                    "after {} s engine {} should {}, but a pod with the host's processes is: {}; a bare one: {}",
                    JUDGES_WITHIN.as_secs(),
                    self.name(),
                    if refuses { "refuse" } else { "refuse nothing" },
                    told(shares),
                    told(bare)
                );
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

/// On every policy of ours, by which it is taken away.
const OURS: &str = "oke-conformance.range/engine";

/// Manifests of an engine: those files whose names begin so.
fn manifests(engine: Engine, begin: &str) -> Result<String> {
    let directory = data_dir().join("engines").join(engine.name());
    let begin = directory.join(begin).display().to_string();
    let files = read_all(&directory)?.into_iter().filter(|(file, _)| file.starts_with(&begin));
    Ok(files.map(|(_, text)| text).collect::<Vec<_>>().join("\n---\n"))
}

/// Objects as one document.
pub(crate) fn list(items: &[Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

async fn without_pod_security(kubectl: &Kubectl) -> Result<()> {
    let file = data_dir().join("engines/without-pod-security.yaml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    kubectl.apply(&text).await.map(drop)
}

/// What a pod that one of the standards forbids is told, as a dry run; nothing where it is admitted.
async fn answer(kubectl: &Kubectl, host_pid: bool) -> Option<String> {
    // Never run: the digest is there for the policy that asks for one.
    let image = format!("none.invalid/none@sha256:{:064}", 0);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "engine-asked", "namespace": "tenant-a" },
        "spec": { "hostPID": host_pid, "containers": [{ "name": "none", "image": image }] },
    });
    let asked = kubectl.feed(&["create", "--dry-run=server", "--filename=-"], &pod.to_string()).await;
    asked.err().map(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_its_directory() {
        for engine in Engine::ALL {
            assert!(!engine.summary().unwrap().is_empty());
            assert_eq!(engine.to_possible_value().unwrap().get_name(), engine.name());
        }
    }
}
