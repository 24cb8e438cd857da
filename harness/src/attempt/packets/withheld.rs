//! Documents that a server must not have for anybody, its own readers included.
use crate::attempt::packets::reach::{Answers, Path, proved, walk};
use crate::cx::Cx;
use crate::probe::batch::Touch;
use crate::verdict::{Attempted, NoVerdict, Verdict};
use crate::words::Guard;

/// Requests that must be answered with a refusal.
#[must_use = "name the expected guard with `withheld_by`"]
pub struct Requests {
    paths: Vec<Path>,
    status: u16,
}

/// ... with its guard.
#[must_use = "name the control with `while_answering`"]
pub struct Guarded {
    requests: Requests,
    guard: Guard,
}

impl Cx {
    /// Attempts `paths`; the refusal that is expected is HTTP status `status` for each.
    pub fn requests(&self, paths: Vec<Path>, status: u16) -> Requests {
        Requests { paths, status }
    }
}

impl Requests {
    /// The guard whose refusal counts.
    pub fn withheld_by(self, guard: Guard) -> Guarded {
        Guarded { requests: self, guard }
    }
}

impl Guarded {
    /// The control: what the same server must answer at the same moment, to the same probe.
    ///
    /// # Errors
    /// Inconclusive where the control is not answered, or a request is neither served nor refused with the expected status.
    pub async fn while_answering(self, control: Path) -> Attempted {
        let Self { requests: Requests { paths, status }, guard } = self;
        let controls = [control];
        let (answers, open) = tokio::join!(walk(&paths), walk(&controls));
        let (mut served, mut unclear, mut refused, mut slowest_ms) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (path, answer) in paths.iter().zip(answers) {
            match answer {
                Ok(Answers { own: answer, .. }) => match answer.status {
                    Some(200..300) => served.push(path.told(&answer)),
                    Some(found) if found == status => {
                        slowest_ms = slowest_ms.max(answer.ms);
                        refused.push(path.told(&answer));
                    }
                    // A server that is busy or out of order withholds nothing, and one that was not reached was not asked.
                    _ if answer.touch() == Touch::Reached => unclear.push(path.told(&answer)),
                    _ => unclear.push(format!("not reached: {}", path.told(&answer))),
                },
                Err(why) => unclear.push(why),
            }
        }
        if !served.is_empty() {
            return Ok(Verdict::allowed(served.join("; ")));
        }
        let control = proved(&controls, open)?;
        if !unclear.is_empty() || refused.is_empty() {
            return Err(NoVerdict::inconclusive(unclear.join("; ")));
        }
        Ok(Verdict::denied(guard, refused.join("; "), control, slowest_ms).of_attempts(refused.len()))
    }
}
