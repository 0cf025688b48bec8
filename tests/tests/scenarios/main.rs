//! Real processes, hurt while clients write and read. Each scenario ends with the checker's verdict
//! on what the clients were told.

mod active_controller_killed;
mod broker_disk_wiped;
mod broker_stopped;
mod compacted_topic;
mod compressed_topics;
mod controller_behind;
mod controller_disk_replaced;
mod controller_missed_entries;
mod damaged_replica;
mod deploy_files;
mod every_process_killed;
mod full_disk;
mod log_dir_fails;
mod log_scrub;
mod lost_replica;
mod no_fault;
mod old_records_go;
mod partition_leader_killed;
mod pause_then_kill;
mod rolling_restart;
mod stale_leader;
mod topic_settings;
mod two_clusters;
