//! What is begun once for all who need it, and goes on whatever becomes of whoever asked for it first.
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

/// It, or why it came to nothing; or what it crashed with.
type Ended<T> = Result<Result<T, String>, String>;

/// Something that was begun.
#[derive(Clone)]
pub(super) struct Begun<T: Clone>(Shared<BoxFuture<'static, Ended<T>>>);

impl<T: Clone + Send + Sync + 'static> Begun<T> {
    /// Begins it.
    pub(super) fn of(start: impl Future<Output = Result<T, String>> + Send + 'static) -> Self {
        let task = tokio::spawn(start);
        Self(async { task.await.map_err(|crash| crash.to_string()) }.boxed().shared())
    }

    /// What came of it. Where it crashed, so does whoever needs it: that is the suite's own fault, and no cause of the cluster's.
    ///
    /// # Errors
    /// Why it came to nothing.
    pub(super) async fn ended(self, what: &str) -> Result<T, String> {
        self.0.await.unwrap_or_else(|crash| panic!("{what} crashed: {crash}"))
    }

    /// It, where it came to something by now.
    pub(super) fn peek(&self) -> Option<&T> {
        self.0.peek()?.as_ref().ok()?.as_ref().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_gets_what_was_begun_once() {
        let begun = Begun::of(async { Ok(7) });
        assert_eq!(begun.peek(), None);
        assert_eq!(begun.clone().ended("it").await, Ok(7));
        assert_eq!((begun.peek(), begun.clone().ended("it").await), (Some(&7), Ok(7)));
    }

    #[tokio::test]
    async fn why_it_came_to_nothing_is_said_to_everybody() {
        let begun = Begun::<u8>::of(async { Err("no room".to_owned()) });
        for _ in 0..2 {
            assert_eq!(begun.clone().ended("it").await, Err("no room".into()));
        }
        assert_eq!(begun.peek(), None);
    }

    #[tokio::test]
    async fn a_crash_is_everybodys_who_needs_it_and_nobodys_cause() {
        let begun = Begun::<u8>::of(async { panic!("at sea") });
        for _ in 0..2 {
            let crash = tokio::spawn(begun.clone().ended("the start of a probe")).await.unwrap_err();
            let said = crash.into_panic();
            let said = said.downcast_ref::<String>().unwrap();
            assert!(said.starts_with("the start of a probe crashed: ") && said.contains("at sea"), "{said}");
        }
    }
}
