//! What kinds of attempts remember for the length of a run, each under a type of its own: what is about the cluster is found once, what
//! several scenarios share is made once.
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A place for each type.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Memory {
    /// What is remembered as a `T`; at first, what a `T` is by default.
    pub fn of<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut places = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let place = places.entry(TypeId::of::<T>()).or_insert_with(|| Arc::<T>::default());
        // Each place holds the type that it is named by.
        place.clone().downcast().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Another;

    #[test]
    fn each_type_has_one_place() {
        let memory = Memory::default();
        memory.of::<AtomicUsize>().store(7, Ordering::SeqCst);
        memory.of::<Another>();
        assert_eq!(memory.of::<AtomicUsize>().load(Ordering::SeqCst), 7);
    }
}
