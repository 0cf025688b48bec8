//! SIGKILL to the active controller while topics are being created and records flow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::sync::watch;
use tokio::task::JoinSet;
use trimaran_api::controller::{TopicStatus, TopicsResponse};
use trimaran_tests::client::{Admin, Answer};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::until;
use trimaran_tests::workload::{Workload, WorkloadPlan};

const CREATORS: usize = 4;
const PARTITIONS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a creation was answered with: all that its client knows.
type Creations = BTreeMap<String, Result<Answer, String>>;

#[test]
fn killing_the_active_controller_loses_no_answered_creation_and_leaves_none_half_done() {
    scenario(&ClusterSpec::three_and_three(), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("load")).await?;
    let admin = workload.admin();
    let stop = watch::Sender::new(false);
    let created = Arc::new(AtomicUsize::new(0));
    let mut creators = JoinSet::new();
    let cluster_id = admin.cluster_id().await?;
    for creator in 0..CREATORS {
        creators.spawn(create_topics(
            admin.clone(),
            cluster_id.clone(),
            creator,
            created.clone(),
            stop.subscribe(),
        ));
    }
    wait_for_creations(&created, 10).await?;
    let killed = NodeName::Controller(admin.active_controller().await?);
    cluster.kill(killed)?;
    wait_for_creations(&created, 10).await?;
    workload.wait_for_progress(10).await?;
    cluster.restart(killed).await?;
    // Every creator may have gone by itself, which the join tells.
    let _ = stop.send(true);
    let mut creations = Creations::new();
    while let Some(ended) = creators.join_next().await {
        creations.extend(ended.context("a creator panicked")??);
    }
    judge(&topics_of_all_controllers(cluster).await?, &creations)?;
    workload.finish().await?;
    Ok(())
}

/// Creates topics of names that nobody used before, one after the other, each tried once.
async fn create_topics(
    admin: Admin,
    cluster_id: String,
    creator: usize,
    created: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
) -> Result<Creations> {
    let mut creations = Creations::new();
    for number in 0.. {
        if *stop.borrow() {
            break;
        }
        let name = format!("created-{creator}-{number}");
        let answer = admin
            .try_create(&cluster_id, &name, PARTITIONS, 3, &[])
            .await;
        if answer.as_ref().is_ok_and(|answer| answer.status == 201) {
            created.fetch_add(1, Ordering::Relaxed);
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        creations.insert(name, answer.map_err(|error| format!("{error:#}")));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(creations)
}

async fn wait_for_creations(created: &AtomicUsize, more: usize) -> Result<()> {
    let goal = created.load(Ordering::Relaxed) + more;
    until(
        &format!("{more} more topics to be created"),
        PATIENCE,
        async || Ok((created.load(Ordering::Relaxed) >= goal).then_some(())),
    )
    .await
}

/// Every controller's own list, once all have applied the same index; they must be equal.
async fn topics_of_all_controllers(cluster: &Cluster) -> Result<BTreeMap<String, TopicStatus>> {
    let lists = until(
        "all controllers to tell the same topics",
        PATIENCE,
        async || {
            let mut lists = Vec::new();
            for address in cluster.controller_addresses() {
                let url = format!("http://{address}/v1/topics");
                let answer = cluster.http().get(url).send().await?.error_for_status()?;
                let list: TopicsResponse = serde_json::from_slice(&answer.bytes().await?)?;
                lists.push(list.topics);
            }
            Ok(lists
                .windows(2)
                .all(|pair| pair[0] == pair[1])
                .then_some(lists))
        },
    )
    .await?;
    let first = lists.into_iter().next().context("no controllers")?;
    Ok(first
        .into_iter()
        .map(|topic| (topic.name.to_string(), topic))
        .collect())
}

fn judge(topics: &BTreeMap<String, TopicStatus>, creations: &Creations) -> Result<()> {
    for (name, answer) in creations {
        let exists = topics.contains_key(name);
        match answer {
            Ok(answer) if answer.status == 201 => {
                ensure!(exists, "{name} was answered 201 and does not exist");
            }
            Ok(answer) if matches!(answer.status, 400..=499) => {
                ensure!(!exists, "{name} was answered {answer} and exists");
            }
            // Whether it was done, its client cannot know.
            Ok(_) | Err(_) => {}
        }
    }
    for (name, topic) in topics
        .iter()
        .filter(|(name, _)| name.starts_with("created-"))
    {
        let numbers: Vec<u32> = topic.partitions.iter().map(|it| it.partition.0).collect();
        let whole: Vec<u32> = (0..PARTITIONS).collect();
        if numbers != whole || topic.partitions.iter().any(|it| it.replicas.len() != 3) {
            bail!("{name} is half there: {topic:?}");
        }
        ensure!(
            creations.contains_key(name),
            "{name} exists and nobody asked for it"
        );
    }
    Ok(())
}
