/** Tasks that only look: the fleet, alerts, metrics, certificates, commands, the journal. */
import type { AgentTask } from "./task.js";

export const LOOK: readonly AgentTask[] = [
  {
    id: "fleet-size",
    ask: "How many nodes does Mainstay know?",
    answer: { number: 4 },
    script: { calls: [["nodes_list", {}]], say: "{0/nodes/#}" },
  },
  {
    id: "fleet-environment",
    ask: "Which node belongs to the environment stage?",
    answer: { has: ["db-2"], hasNot: ["db-1", "web-1"] },
    script: {
      calls: [["nodes_list", { fields: ["name", "labels"] }]],
      say: "{0/nodes/labels.env=stage/name}",
    },
  },
  {
    id: "fleet-not-live",
    ask: "Which node is not live?",
    answer: { has: ["old-1"], hasNot: ["db-1", "db-2", "web-1"] },
    script: { calls: [["nodes_list", {}]], say: "{0/nodes/liveness!=live/name}" },
  },
  {
    id: "fleet-count-role",
    ask: "How many nodes have the role database?",
    answer: { number: 2 },
    script: { calls: [["nodes_list", { count_by: "labels.role" }]], say: "{0/counts/database}" },
  },
  {
    id: "fleet-actions",
    ask: "May web-1's agent clean directories? Name the action it offers for that.",
    answer: { has: ["clean-directory"] },
    script: { calls: [["node_get", { node: "web-1", fields: [] }]], say: "{0/node/actions}" },
  },
  {
    id: "fleet-id",
    ask: "What is the id of the node db-1?",
    answer: { has: ["{db-1.id}"] },
    script: { calls: [["node_get", { node: "db-1", fields: [] }]], say: "{0/node/node_id}" },
  },
  {
    id: "fleet-no-such-node",
    ask: "Somebody wrote of a node called wbe-1. Which one did they probably mean?",
    answer: { has: ["web-1"] },
    script: { calls: [["node_get", { node: "wbe-1" }]], say: "{0/text}" },
  },
  {
    id: "health",
    ask: "How many nodes are live, as the overview says?",
    answer: { number: 3 },
    script: { calls: [["health_overview", {}]], say: "{0/nodes_live}" },
  },
  {
    id: "alerts-firing",
    ask: "How many alerts fire?",
    answer: { number: 5 },
    script: { calls: [["alerts_list", { count_by: "state" }]], say: "{0/counts/firing}" },
  },
  {
    id: "alerts-pending",
    ask: "Which alert rule has a pending alert?",
    answer: { has: ["BackupOld"], hasNot: ["DiskFills"] },
    script: { calls: [["alerts_list", { state: "pending" }]], say: "{0/alerts/0/rule}" },
  },
  {
    id: "alerts-disk",
    ask: "Which disk fills, and on which node?",
    answer: { has: ["data", "db-1"] },
    script: {
      calls: [["alerts_list", { rule: "DiskFills" }]],
      say: "{0/alerts/0/labels/disk} on {0/alerts/0/labels/node}",
    },
  },
  {
    id: "alerts-critical",
    ask: "How many alerts of severity critical fire?",
    answer: { number: 2 },
    script: {
      calls: [["alerts_list", { state: "firing", count_by: "labels.severity" }]],
      say: "{0/counts/critical}",
    },
  },
  {
    id: "alerts-queues",
    ask: "For which queues does the rule QueueGrows fire?",
    answer: { has: ["mail", "billing"], hasNot: ["web"] },
    script: {
      calls: [["alerts_list", { rule: "QueueGrows" }]],
      say: "{0/alerts/0/labels/queue} and {0/alerts/1/labels/queue}",
    },
  },
  {
    id: "alert-expression",
    ask: "Above which ratio does the rule DiskFills fire, as its expression says?",
    answer: { has: ["0.9"] },
    script: {
      calls: [
        ["alerts_list", { rule: "DiskFills" }],
        ["alert_why", { alert_id: "{0/alerts/0/alert_id}" }],
      ],
      say: "{1/expr}",
    },
  },
  {
    id: "alert-for",
    ask: "For how many seconds must the condition of BackupOld hold before it fires?",
    answer: { number: 3_600 },
    script: {
      calls: [
        ["alerts_list", { rule: "BackupOld" }],
        ["alert_why", { alert_id: "{0/alerts/0/alert_id}" }],
      ],
      say: "{1/for_seconds}",
    },
  },
  {
    id: "alert-value",
    ask: "What share of the connections is in use, by the alert ConnectionsHigh?",
    answer: { number: 0.91, within: 0.001 },
    script: { calls: [["alerts_list", { rule: "ConnectionsHigh" }]], say: "{0/alerts/0/value}" },
  },
  {
    id: "alert-replica",
    ask: "Which replica lags behind?",
    answer: { has: ["db-2"], hasNot: ["db-3"] },
    script: { calls: [["alerts_list", { rule: "ReplicaLags" }]], say: "{0/alerts/0/labels/replica}" },
  },
  {
    id: "disk-why",
    ask: "The disk data of db-1 fills. Which directory takes most of it? (directory_bytes knows.)",
    answer: { has: ["/data/wal"], hasNot: ["/data/base"] },
    script: {
      calls: [["metrics_query", { expr: "topk(1, directory_bytes)" }]],
      say: "{0/series/0/labels/directory}",
    },
  },
  {
    id: "disk-sum",
    ask: "How many bytes do all directories under /data take together?",
    answer: { number: 117e9 },
    script: { calls: [["metrics_query", { expr: "sum(directory_bytes)" }]], say: "{0/series/0/value}" },
  },
  {
    id: "queue-least",
    ask: "Which queue is the shortest?",
    answer: { has: ["web"], hasNot: ["mail", "billing"] },
    script: {
      calls: [["metrics_query", { expr: "bottomk(1, queue_length)" }]],
      say: "{0/series/0/labels/queue}",
    },
  },
  {
    id: "queue-mean",
    ask: "What is the mean length of the queues?",
    answer: { number: 341 },
    script: { calls: [["metrics_query", { expr: "avg(queue_length)" }]], say: "{0/series/0/value}" },
  },
  {
    id: "queue-none",
    ask: "Is there a queue called printing? Say yes or no.",
    answer: { has: ["no"], hasNot: ["yes"] },
    script: {
      calls: [["metrics_query", { expr: 'queue_length{queue="printing"}' }]],
      say: "{0/series/#?yes:no}",
    },
  },
  {
    id: "connections-left",
    ask: "How many more connections does the database take?",
    answer: { number: 9 },
    script: {
      calls: [["metrics_query", { expr: "connections_max - connections_active" }]],
      say: "{0/series/0/value}",
    },
  },
  {
    id: "replica-lag",
    ask: "By how many seconds does the replica db-3 lag?",
    answer: { number: 0.3, within: 0.001 },
    script: {
      calls: [["metrics_query", { expr: 'replication_lag_seconds{replica="db-3"}' }]],
      say: "{0/series/0/value}",
    },
  },
  {
    id: "backup-age",
    ask: "How old is the last backup, in whole days?",
    answer: { number: 2 },
    script: {
      calls: [["metrics_query", { expr: "floor(backup_age_seconds / 86400)" }]],
      say: "{0/series/0/value}",
    },
  },
  {
    id: "metric-range",
    ask: "What was the greatest number of active connections within the last five minutes?",
    answer: { number: 91 },
    script: {
      calls: [["metrics_query", { expr: "max_over_time(connections_active[5m])" }]],
      say: "{0/series/0/value}",
    },
  },
  {
    id: "metric-mistake",
    ask: "Somebody's dashboard asks sum by (queue)(queue_length. What is wrong with that expression?",
    answer: { has: ["parse error"] },
    script: { calls: [["metrics_query", { expr: "sum by (queue)(queue_length" }]], say: "{0/text}" },
  },
  {
    id: "certificate-first",
    ask: "Of the certificates in files under {tls}, whose subject dies first?",
    answer: { has: ["soon.example"], hasNot: ["long.example"] },
    script: {
      calls: [["certificates_list", { node: "db-1" }]],
      say: "{0/certificates/source~tls/subject}",
    },
  },
  {
    id: "certificate-node",
    ask: "On which node was the certificate of long.example found?",
    answer: { has: ["db-1"] },
    script: {
      calls: [["certificates_list", {}]],
      say: "{0/certificates/subject=CN=long.example/node}",
    },
  },
  {
    id: "certificate-end",
    ask: "On which day (UTC, as 2026-12-31) does the certificate of long.example end?",
    answer: { has: ["{long.end}"] },
    script: {
      calls: [["certificates_list", {}]],
      say: "{0/certificates/subject=CN=long.example/not_after}",
    },
  },
  {
    id: "journal-whole",
    ask: "Is the journal intact? Say yes or no.",
    answer: { has: ["yes"], hasNot: ["no"] },
    script: { calls: [["journal_verify", {}]], say: "{0/intact?yes:no}" },
  },
  {
    id: "journal-first",
    ask: "Of what kind is the first entry of the journal?",
    answer: { has: ["{journal.first}"] },
    script: {
      calls: [["journal_list", { after_position: 0, limit: 1 }]],
      say: "{0/entries/0/kind}",
    },
  },
  {
    id: "journal-rejection",
    ask: "Who rejected carol's command?",
    answer: { has: ["alice"] },
    script: {
      calls: [["journal_list", { subject: "command:{rejected.id}" }]],
      say: "{0/entries/kind=command.refused/actor}",
    },
  },
  {
    id: "command-by",
    ask: "Who asked for the command that was rejected?",
    answer: { has: ["carol"], hasNot: ["alice"] },
    script: {
      calls: [["commands_list", { state: "refused", fields: ["command_id", "requested_by"] }]],
      say: "{0/commands/command_id={rejected.id}/requested_by}",
    },
  },
  {
    id: "command-reason",
    ask: "Why did carol want her command, in her own words?",
    answer: { has: ["tidy up before the audit"] },
    script: {
      calls: [["command_get", { command_id: "{rejected.id}" }]],
      say: "{0/command/reason}",
    },
  },
  {
    id: "runbook-for-disks",
    ask: "Which runbook is for full disks?",
    answer: { has: ["disk-space"] },
    script: { calls: [["runbooks_list", {}]], say: "{0/runbooks/name~disk/name}" },
  },
];
