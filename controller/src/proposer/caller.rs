//! [`Caller`]: who waits for a change, and whether the change was begun.
//!
//! Either the decision begins, and then only the log knows what becomes of it, or the caller gives
//! up first, and then it never begins. The lock makes it one of the two.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::ProposeError;

/// The caller of one change.
#[derive(Debug)]
pub(super) struct Caller<R> {
    state: Mutex<State<R>>,
}

#[derive(Debug)]
struct State<R> {
    sender: Option<oneshot::Sender<Result<R, ProposeError>>>,
    has_begun: bool,
}

impl<R> Caller<R> {
    /// Waits at the other end of `sender`.
    pub(super) fn new(sender: oneshot::Sender<Result<R, ProposeError>>) -> Self {
        Self {
            state: Mutex::new(State {
                sender: Some(sender),
                has_begun: false,
            }),
        }
    }

    /// The decision begins, unless nobody waits for it any more.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.lock();
        let is_awaited = state
            .sender
            .as_ref()
            .is_some_and(|sender| !sender.is_closed());
        state.has_begun = is_awaited;
        is_awaited
    }

    /// The caller waits no longer. True when the decision had not begun: now it never will.
    pub(super) fn give_up(&self) -> bool {
        let mut state = self.lock();
        if !state.has_begun {
            state.sender = None;
        }
        !state.has_begun
    }

    /// Tells the caller; one that went away needs no answer.
    pub(super) fn answer(&self, answer: Result<R, ProposeError>) {
        let sender = self.lock().sender.take();
        if let Some(sender) = sender {
            drop(sender.send(answer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_was_given_up_never_begins_and_one_that_began_is_not_given_up() {
        let (sender, _receiver) = oneshot::channel::<Result<(), ProposeError>>();
        let caller = Caller::new(sender);
        assert!(caller.give_up());
        assert!(!caller.begin());

        let (sender, mut receiver) = oneshot::channel::<Result<(), ProposeError>>();
        let caller = Caller::new(sender);
        assert!(caller.begin());
        assert!(!caller.give_up());
        caller.answer(Ok(()));
        assert_eq!(receiver.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn nobody_waits_behind_a_dropped_receiver() {
        let (sender, receiver) = oneshot::channel::<Result<(), ProposeError>>();
        let caller = Caller::new(sender);
        drop(receiver);
        assert!(!caller.begin());
    }
}
