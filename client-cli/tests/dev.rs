//! `trimaran dev` as a process that runs processes. The nodes are stand-ins: this same test program,
//! answering "ready" where their configuration says that they listen.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by its panic"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Set for a stand-in: the configuration it was started with.
const STAND_IN: &str = "TRIMARAN_TEST_STAND_IN";

/// Longest wait for anything; only a failure waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// No test: what the stand-ins run. Does nothing when it runs among the tests.
#[test]
fn stand_in() {
    let Ok(config) = std::env::var(STAND_IN) else {
        return;
    };
    let config: toml::Table = std::fs::read_to_string(config).unwrap().parse().unwrap();
    let address = match config.get("listeners") {
        Some(listeners) => listeners["client"].as_str().unwrap().to_owned(),
        None => {
            let id = config["node"]["id"].as_integer().unwrap();
            let voters = config["controller"]["quorum"]["voters"]
                .as_array()
                .unwrap()
                .clone();
            let voters = voters.iter().filter_map(toml::Value::as_str);
            let mut own = voters.filter_map(|voter| voter.split_once('@'));
            own.find(|(voter, _)| *voter == id.to_string())
                .unwrap()
                .1
                .to_owned()
        }
    };
    let listener = TcpListener::bind(address).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
    }
}

/// A folder with stand-ins, and the cluster that runs in it.
///
/// One at a time: a cluster that is stopped must find its ports free again.
struct Dev {
    _turn: MutexGuard<'static, ()>,
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Dev {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let this = std::env::current_exe().unwrap();
        for name in ["trimaran-controller", "trimaran-broker"] {
            let path = folder.path().join(name);
            let script = format!(
                "#!/bin/sh\n{STAND_IN}=\"$2\" exec '{}' --exact stand_in --nocapture\n",
                this.display()
            );
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self {
            _turn: turn,
            folder,
            process: None,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimaran"));
        command
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .env("TRIMARAN_BIN_DIR", self.folder.path())
            .env_remove("TRIMARAN_SERVER")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the cluster and waits until it says where it is.
    fn up(&mut self) {
        let out = std::fs::File::create(self.folder.path().join("out")).unwrap();
        let arguments = ["-o", "json", "dev", "--controllers", "1", "--brokers", "2"];
        let process = self.command(&arguments).stdout(out).spawn().unwrap();
        self.process = Some(process);
        wait_for("the cluster to be ready", || {
            let text = std::fs::read_to_string(self.folder.path().join("out")).unwrap();
            serde_json::from_str::<Value>(&text).ok()
        });
    }

    fn nodes(&self) -> Value {
        let output = self.run(&["dev", "status", "-o", "json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn node(&self, name: &str) -> Value {
        let nodes = self.nodes();
        nodes
            .as_array()
            .unwrap()
            .iter()
            .find(|node| node["node"] == name)
            .unwrap()
            .clone()
    }

    fn wait_for_state(&self, name: &str, state: &str) -> Value {
        wait_for(&format!("{name} to be {state}"), || {
            let node = self.node(name);
            (node["state"] == state).then_some(node)
        })
    }

    fn pids(&self) -> Vec<u64> {
        let nodes = self.nodes();
        nodes
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|node| node["pid"].as_u64())
            .collect()
    }

    fn signal(&self, name: &str) {
        let pid = self.process.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    fn ended(&mut self) -> std::process::ExitStatus {
        let mut process = self.process.take().unwrap();
        wait_for("the cluster to end", || process.try_wait().unwrap())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Gone, or a zombie that its new parent does not wait for.
fn is_gone(pid: u64) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.map_or(true, |stat| {
        stat.rsplit_once(") ")
            .is_none_or(|(_, rest)| rest.starts_with('Z'))
    })
}

fn error_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn nodes_can_be_killed_stopped_and_started_from_another_terminal() {
    let mut dev = Dev::new();
    dev.up();
    assert_eq!(dev.pids().len(), 3);

    let output = dev.run(&["dev"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_text(&output).contains("already"), "{output:?}");

    assert!(dev.run(&["dev", "kill", "broker-2"]).status.success());
    let killed = dev.node("broker-2");
    assert_eq!(
        (&killed["state"], &killed["pid"]),
        (&"killed".into(), &Value::Null)
    );
    assert!(killed["detail"].as_str().unwrap().contains('9'), "{killed}");
    assert_eq!(dev.run(&["dev", "kill", "broker-2"]).status.code(), Some(1));
    assert!(dev.run(&["dev", "start", "broker-2"]).status.success());
    dev.wait_for_state("broker-2", "ready");

    assert!(dev.run(&["dev", "stop", "controller-1"]).status.success());
    assert_eq!(dev.node("controller-1")["state"], "stopped");

    let output = dev.run(&["dev", "stop", "broker-9"]);
    assert!(
        error_text(&output).contains("there is no broker-9"),
        "{output:?}"
    );

    // A death that nobody asked for is reported, and nothing else.
    let pid = dev.node("broker-1")["pid"].as_u64().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid])
            .status()
            .unwrap()
            .success()
    );
    dev.wait_for_state("broker-1", "died");
    assert_eq!(dev.node("broker-2")["state"], "ready");
}

#[test]
fn a_stopped_cluster_resumes_where_it_was() {
    let mut dev = Dev::new();
    dev.up();
    let addresses = |nodes: Value| -> Vec<Value> {
        nodes
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["address"].clone())
            .collect()
    };
    let before = addresses(dev.nodes());
    let pids = dev.pids();
    dev.signal("-TERM");
    assert!(dev.ended().success());
    for pid in pids {
        wait_for("a node to end", || is_gone(pid).then_some(()));
    }
    let output = dev.run(&["dev", "status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error_text(&output).contains("no development cluster runs"),
        "{output:?}"
    );
    dev.up();
    assert_eq!(addresses(dev.nodes()), before);
}

#[test]
fn nodes_die_with_the_process_that_started_them() {
    let mut dev = Dev::new();
    dev.up();
    let pids = dev.pids();
    assert_eq!(pids.len(), 3);
    dev.signal("-KILL");
    assert!(!dev.ended().success());
    for pid in pids {
        wait_for("a node to die", || is_gone(pid).then_some(()));
    }
    // What a killed process leaves behind is in nobody's way.
    dev.up();
}

#[test]
fn a_node_that_dies_at_its_start_ends_the_cluster_and_shows_what_it_said() {
    let dev = Dev::new();
    let script = "#!/bin/sh\necho 'cannot open the log directory'\nexit 3\n";
    std::fs::write(dev.folder.path().join("trimaran-broker"), script).unwrap();
    let output = dev.run(&["dev", "--controllers", "1", "--brokers", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let text = error_text(&output);
    assert!(text.contains("broker-1 died"), "{text}");
    assert!(text.contains("cannot open the log directory"), "{text}");
}

#[test]
fn missing_programs_are_named() {
    let dev = Dev::new();
    std::fs::remove_file(dev.folder.path().join("trimaran-broker")).unwrap();
    let output = dev.run(&["dev"]);
    assert_eq!(output.status.code(), Some(1));
    let text = error_text(&output);
    assert!(
        text.contains("trimaran-broker") && text.contains("TRIMARAN_BIN_DIR"),
        "{text}"
    );
}
