-- Clusters whose lease Patroni keeps are adopted as they are: the same names, requests, records and decisions as the
-- clusters that the agents keep, with a policy and records of their own form.
alter table recovery_cluster
  -- agents or patroni.
  add column kept_by text not null default 'agents';
