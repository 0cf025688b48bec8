//! [`Supervisor`]: owns the processes of a development cluster. One task; everyone else sends it
//! wishes and watches its view. It reports a process that ends by itself and does not restart it.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::child::{Child, Order, last_lines};
use super::event::{Action, ActionResult, Event, Run};
use super::layout::Layout;
use super::node_name::NodeName;
use super::node_view::{NodeState, NodeView};
use super::programs::Programs;
use super::readiness::{self, Readiness};

/// Events that may wait; whoever sends more waits too.
const EVENTS_MAX: usize = 256;

/// Lines of a dead node's log that go into the report of its death.
const LAST_LINES: usize = 4;

/// Sends wishes to the supervisor and sees what it sees.
#[derive(Debug, Clone)]
pub(crate) struct Nodes {
    events: mpsc::Sender<Event>,
    views: watch::Receiver<Vec<NodeView>>,
}

impl Nodes {
    /// Starts a node that does not run; it is ready some time later.
    ///
    /// # Errors
    /// When it runs, does not exist, or cannot be started.
    pub(crate) async fn start(&self, node: NodeName) -> ActionResult {
        self.act(node, Action::Start).await
    }

    /// Asks a node to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not run or exist.
    pub(crate) async fn stop(&self, node: NodeName) -> ActionResult {
        self.act(node, Action::Stop).await
    }

    /// Ends a node's process at once with SIGKILL, and waits until it has ended.
    ///
    /// # Errors
    /// When it does not run or exist.
    pub(crate) async fn kill(&self, node: NodeName) -> ActionResult {
        self.act(node, Action::Kill).await
    }

    async fn act(&self, node: NodeName, action: Action) -> ActionResult {
        let gone = || "the supervisor is gone".to_owned();
        let (answer, answered) = oneshot::channel();
        self.events
            .send(Event::Wanted(node, action, answer))
            .await
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Every node as it is now.
    pub(crate) fn views(&self) -> Vec<NodeView> {
        self.views.borrow().clone()
    }

    /// Waits until something has changed since the last call.
    pub(crate) async fn changed(&mut self) {
        if self.views.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Owns the processes.
#[derive(Debug)]
pub(super) struct Supervisor {
    layout: Layout,
    programs: Programs,
    http: reqwest::Client,
    slots: BTreeMap<NodeName, Slot>,
    runs: u64,
    events: mpsc::Sender<Event>,
    views: watch::Sender<Vec<NodeView>>,
}

/// One node.
#[derive(Debug)]
struct Slot {
    state: NodeState,
    detail: Option<String>,
    running: Option<Running>,
    waiters: Vec<oneshot::Sender<ActionResult>>,
}

#[derive(Debug)]
struct Running {
    run: Run,
    child: Child,
    readiness: AbortHandle,
}

impl Supervisor {
    /// Starts the task that owns `layout`'s nodes; none of them runs yet.
    pub(super) fn spawn(layout: Layout, programs: Programs, http: reqwest::Client) -> Nodes {
        let (events, mut received) = mpsc::channel(EVENTS_MAX);
        let stopped = || Slot {
            state: NodeState::Stopped,
            detail: None,
            running: None,
            waiters: Vec::new(),
        };
        let slots = layout
            .nodes()
            .into_iter()
            .map(|node| (node, stopped()))
            .collect();
        let (views, seen) = watch::channel(Vec::new());
        let mut supervisor = Self {
            layout,
            programs,
            http,
            slots,
            runs: 0,
            events: events.clone(),
            views,
        };
        supervisor.publish();
        tokio::spawn(async move {
            while let Some(event) = received.recv().await {
                supervisor.handle(event);
                supervisor.publish();
            }
        });
        Nodes {
            events,
            views: seen,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Wanted(node, action, answer) => self.act(node, action, answer),
            Event::Exited(run, status) => self.exited(run, &status),
            Event::Readiness(run, readiness) => self.readiness(run, readiness),
        }
    }

    fn act(&mut self, node: NodeName, action: Action, answer: oneshot::Sender<ActionResult>) {
        let Some(slot) = self.slots.get_mut(&node) else {
            let known: Vec<String> = self.slots.keys().map(ToString::to_string).collect();
            return tell(
                answer,
                Err(format!(
                    "there is no {node}; there are {}",
                    known.join(", ")
                )),
            );
        };
        match (action, &slot.running) {
            (Action::Start, None) => {
                let result = self.start(node);
                tell(answer, result.map(|()| self.view(node)));
            }
            (Action::Start, Some(running)) => {
                tell(
                    answer,
                    Err(format!("{node} runs already (pid {})", running.child.pid)),
                );
            }
            (Action::Stop | Action::Kill, None) => {
                tell(answer, Err(format!("{node} does not run")));
            }
            (Action::Stop, Some(running)) => {
                running.child.order(Order::Stop);
                slot.state = NodeState::Stopping;
                slot.detail = None;
                slot.waiters.push(answer);
            }
            (Action::Kill, Some(running)) => {
                running.child.order(Order::Kill);
                slot.state = NodeState::Killed;
                slot.detail = None;
                slot.waiters.push(answer);
            }
        }
    }

    fn start(&mut self, node: NodeName) -> Result<(), String> {
        self.runs += 1;
        let run = Run {
            node,
            number: self.runs,
        };
        let child = Child::start(&self.layout, &self.programs, run, self.events.clone())
            .map_err(|error| format!("cannot start {node}: {error}"))?;
        let watching = readiness::watch(
            self.http.clone(),
            self.layout.address(node),
            run,
            self.events.clone(),
        );
        let readiness = tokio::spawn(watching).abort_handle();
        if let Some(slot) = self.slots.get_mut(&node) {
            slot.state = NodeState::Starting;
            slot.detail = None;
            slot.running = Some(Running {
                run,
                child,
                readiness,
            });
        }
        Ok(())
    }

    fn exited(&mut self, run: Run, status: &str) {
        let log = self.layout.log_path(run.node);
        let Some(slot) = self.slots.get_mut(&run.node) else {
            return;
        };
        let Some(running) = slot.running.take_if(|running| running.run == run) else {
            return;
        };
        running.readiness.abort();
        match slot.state {
            NodeState::Stopping => slot.state = NodeState::Stopped,
            NodeState::Killed => {}
            NodeState::Starting | NodeState::Ready | NodeState::Stopped | NodeState::Died => {
                slot.state = NodeState::Died;
            }
        }
        slot.detail = Some(status.to_owned());
        if slot.state == NodeState::Died {
            let said = last_lines(&log, LAST_LINES).join(" | ");
            slot.detail = Some(format!("{status}; it said: {said}"));
        }
        let waiters = std::mem::take(&mut slot.waiters);
        let view = self.view(run.node);
        for waiter in waiters {
            tell(waiter, Ok(view.clone()));
        }
    }

    fn readiness(&mut self, run: Run, readiness: Readiness) {
        let Some(slot) = self.slots.get_mut(&run.node) else {
            return;
        };
        let is_current = slot
            .running
            .as_ref()
            .is_some_and(|running| running.run == run);
        if !is_current || !matches!(slot.state, NodeState::Starting | NodeState::Ready) {
            return;
        }
        (slot.state, slot.detail) = match readiness {
            Readiness::Ready => (NodeState::Ready, None),
            Readiness::NotReady(reason) => (NodeState::Starting, Some(reason)),
        };
    }

    fn view(&self, node: NodeName) -> NodeView {
        let slot = self.slots.get(&node);
        NodeView {
            node,
            state: slot.map_or(NodeState::Stopped, |slot| slot.state),
            detail: slot.and_then(|slot| slot.detail.clone()),
            pid: slot
                .and_then(|slot| slot.running.as_ref())
                .map(|running| running.child.pid),
            address: self.layout.address(node),
            log: self.layout.log_path(node),
        }
    }

    fn publish(&mut self) {
        let views: Vec<NodeView> = self.slots.keys().map(|node| self.view(*node)).collect();
        self.views.send_if_modified(|seen| {
            let is_new = *seen != views;
            if is_new {
                *seen = views;
            }
            is_new
        });
    }
}

/// Whoever asked may have left; the deed is done all the same.
fn tell(answer: oneshot::Sender<ActionResult>, result: ActionResult) {
    let _ = answer.send(result);
}
