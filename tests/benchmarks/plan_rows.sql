-- A million tasks with all that hangs on them, for `plan_rows.py`. Skewed as a reseller's are:
-- tenant 1 has every tenth task, tenant 2 a thousand, ten thousand others a hundred each. Of a
-- hundred tasks two live, two were refused and ten failed; of a thousand one is to be looked at and
-- one is being sent. Every fifth has a callback; what the last ones tell is still to be delivered,
-- by a thousand lanes. Every twentieth is followed by two: the first has heard of all but the last
-- five hundred, the second never claims anything. Every seventh has its create's key, and of every
-- eleventh of the others nobody heard the answer. Quotes are empty unless pages are to show them: no statement looks for anything
-- in them, and twenty indexes read the rows anew.

INSERT INTO channels (name, base_url, api_key_sealed) VALUES ('main', 'http://kling', 'sealed'), ('second', 'http://kling', 'sealed');
INSERT INTO books (currency) VALUES ('USD');
INSERT INTO accounts (id, quota_micros, held_micros, open_holds)
SELECT 20000 + n, 1e15, 1e12, 100000 FROM generate_series(1, 10000) n;
INSERT INTO tenants (id, name, account_id)
SELECT n, 'tenant-' || n, 20000 + n FROM generate_series(1, 10000) n;
INSERT INTO webhook_secrets (tenant_id, secret_sealed) SELECT id, 'sealed' FROM tenants;
INSERT INTO tokens (id, tenant_id, access_key, secret_key_sealed, api_key_hash, api_key_hint)
SELECT n, 1 + n % 10000, 'access-' || n, 'sealed', sha256(('key-' || n)::bytea), 'hint'
FROM generate_series(1, 30000) n;

INSERT INTO tasks (
    id, tenant_id, account_id, token_id, channel_id, endpoint, state, kling_id, injected_id, tenant_external_id,
    callback_url, request_id, kling_request_id, quote, hold_micros, hold_ended_at, charged_micros,
    deduction, created_at, submit_deadline_at, submitted_at, ended_at, ended_via, reply,
    is_reply_full, refresh_at, next_look_at, look_lease, follows, create_key, fingerprint, unheard_at
)
SELECT n, tenant_id, 20000 + tenant_id, tenant_id, 1, endpoint, state,
       CASE WHEN state NOT IN ('refused', 'pending') THEN 'kling-' || n END,
       'relay-' || n || '-0123456789abcdef',
       CASE WHEN n % 3 = 0 THEN 'mine-' || n END,
       CASE WHEN n % 5 = 0 THEN 'https://host-' || tenant_id || '.example/hook' END,
       'request-' || n, 'kling-request-' || n, current_setting('fill.quote')::jsonb, 420000,
       CASE WHEN NOT is_live THEN at END, CASE WHEN state = 'succeed' THEN 420000 END,
       CASE WHEN state = 'succeed' THEN '{"final_unit_deduction":"3"}' END,
       at, CASE WHEN state = 'pending' THEN now() + interval '1 day' ELSE at END, at,
       CASE WHEN NOT is_live THEN at END, CASE WHEN NOT is_live THEN 'callback' END,
       CASE WHEN NOT is_live THEN replace(current_setting('fill.reply'), 'TASK', 'kling-' || n) END,
       state IN ('succeed', 'refused'), now() - interval '1 minute',
       CASE WHEN is_live THEN now() + (n % 1000 - 10) * interval '1 minute' END,
       CASE WHEN is_live THEN '00000000-0000-0000-0000-000000000001'::uuid END,
       CASE WHEN n % 20 = 0 THEN '{one,two}'::text[] ELSE '{}' END,
       CASE WHEN n % 7 = 0 THEN 'key-' || n END,
       CASE WHEN 0 IN (n % 7, n % 11) THEN sha256(('body-' || n)::bytea) END,
       CASE WHEN n % 11 = 0 AND n % 7 <> 0 THEN at END
FROM (
    SELECT *, state IN ('pending', 'submitted', 'processing') AS is_live,
           CASE WHEN tenant_id = 2 OR n / 10 % 4 = 1 THEN
                CASE WHEN n / 1000 % 2 = 0 THEN 'text-to-video' ELSE 'image-to-video' END
           WHEN n / 10 % 4 = 3 THEN 'identify-face'
           ELSE 'text2video' END AS endpoint
    FROM (
        SELECT n, now() - (1000000 - n) * interval '10 seconds' AS at,
               CASE WHEN n % 10 = 0 THEN 1 WHEN n % 1000 = 1 THEN 2 ELSE 3 + n % 9998 END
                   AS tenant_id,
               CASE WHEN n % 1000 = 997 THEN 'pending' WHEN n % 100 = 60 THEN 'submitted'
               WHEN n % 100 = 3 THEN 'processing' WHEN n % 50 = 7 THEN 'refused'
               WHEN n % 10 = 9 THEN 'failed' ELSE 'succeed' END AS state
        FROM generate_series(1, 1000000) n
    ) numbered
) made;

-- Tenant 117 is a sub-tenant of 106, which is under limits.
UPDATE tenants SET parent_id = 106, resale = 1.3, account_id = 20106 WHERE id = 117;
-- Every tenth tenant is under limits, and one live task took of two.
INSERT INTO limits (id, tenant_id, kind, allowed, start_at, until_at)
SELECT 2 * n, n, 'month', 1000000000000, now() - interval '9 days', now() + interval '9 days'
FROM generate_series(6, 10000, 10) n
UNION ALL
SELECT 2 * n + 1, n, 'in_flight', 100000, to_timestamp(0), NULL FROM generate_series(6, 10000, 10) n
UNION ALL
SELECT 1, 1, 'day', 1000000000000, now() - interval '2 days', now() - interval '1 day';
UPDATE tasks SET limit_ids = '{212,213}', limit_starts = (
    SELECT array_agg(start_at ORDER BY id) FROM limits WHERE id IN (212, 213)
) WHERE id = 999903;

INSERT INTO task_events (task_id, kind, detail, body, created_at)
SELECT id, 'callback', state, '{}', created_at FROM tasks;

INSERT INTO entries (account_id, kind, amount_micros, reference, task_id, created_at)
SELECT id, 'topup', 1e15, 'opening', NULL, now() - interval '1 year' FROM accounts
UNION ALL
SELECT account_id, 'charge', -charged_micros, NULL, id, ended_at FROM tasks WHERE state = 'succeed';

INSERT INTO deliveries (
    id, task_id, tenant_id, url, task_status, body, state, lease, attempts, created_at, next_attempt_at,
    ended_at
)
SELECT id / 5, id, tenant_id, callback_url, state, '{}',
       CASE WHEN is_due THEN 'due' ELSE 'delivered' END,
       CASE WHEN is_due THEN '00000000-0000-0000-0000-000000000001'::uuid END, 1, created_at,
       created_at, CASE WHEN NOT is_due THEN created_at END
FROM (SELECT *, id > 990000 AS is_due FROM tasks WHERE callback_url IS NOT NULL) told;

INSERT INTO delivery_attempts (delivery_id, number, at, http_status)
SELECT id, 1, created_at, 200 FROM deliveries;

INSERT INTO owners (kind, resource_id, channel_id, tenant_id, task_id, deleted_at)
SELECT 'video', 'video-' || id, 1, tenant_id, id, CASE WHEN id % 100 = 0 THEN now() END
FROM tasks WHERE state = 'succeed' AND id % 4 = 0;

INSERT INTO outbox (
    id, task_id, follower, state, xact, next_attempt_at, attempts, lease, done_at, created_at
)
SELECT t.id / 10 + f.place, t.id, f.follower, t.state, (3 + t.id / 5000)::text::xid8, t.created_at,
       CASE f.follower WHEN 'one' THEN 1 ELSE 0 END,
       CASE WHEN f.follower = 'one' AND t.id > 990000
            THEN '00000000-0000-0000-0000-000000000001'::uuid END,
       CASE WHEN f.follower = 'one' AND t.id <= 990000 THEN t.created_at END, t.created_at
FROM tasks t CROSS JOIN LATERAL unnest(t.follows) WITH ORDINALITY AS f (follower, place);
