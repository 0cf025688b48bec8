//! [`Fault`]: what a call of the disk comes to, and the gate where one waits.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, mpsc};

/// What to do to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Errno(i32),
    /// A write puts down half of its bytes and then fails like this; other calls just fail.
    Short(i32),
    /// The process is killed in it: it has no effect, and nothing that was done before is lost.
    Killed,
    /// It waits at the gate that [`super::SimDisk::hold_at`] gave, on the thread that made it, does what it
    /// should and succeeds. Other calls go on meanwhile.
    Slow,
    /// A sync does what it should and waits at the gate then: it keeps nothing that is written meanwhile.
    Late,
}

impl Fault {
    /// Whether a call of this name fails like any other, as it does in the sweep of a plain error.
    pub(crate) fn is_plain_for(self, call: &str) -> bool {
        matches!(self, Self::Short(_)) && call != "write_all_at"
    }
}

/// Where a slow call waits.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) entered: mpsc::Sender<HeldCall>,
    pub(super) is_open: Arc<(Mutex<bool>, Condvar)>,
}

/// A call that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldCall {
    pub(crate) name: &'static str,
    /// What a rename gives a name to.
    pub(crate) target: Option<PathBuf>,
}

/// The other side of the gate. Dropping it opens it.
#[derive(Debug)]
pub(crate) struct GateKeeper(pub(super) Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(super) fn pass(&self, call: HeldCall) {
        // Who does not ask may be gone.
        let _ = self.entered.send(call);
        let (is_open, opened) = &*self.is_open;
        let waited = opened.wait_while(is_open.lock().unwrap(), |is_open| !*is_open);
        drop(waited.unwrap());
    }
}

impl Drop for GateKeeper {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}
