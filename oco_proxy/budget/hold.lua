-- Puts one hold into its budgets and rate limits without asking whether it fits: a settlement
-- replaces what was reserved by what it cost, a gateway tells again what it holds, a heartbeat moves
-- the expiry.
-- KEYS: for each budget its hash, its holds, their expiries; then for each rate limit its window and
--       the requests under way.
-- ARGV: request id, nano-dollars, lifetime in ms, number of budgets, 1 if the request has ended,
--       tokens used beyond those expected, then for each budget the moment its keys expire, then for
--       each rate limit 1 if it bounds the requests at once.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local id, amount, lifetime = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local count, ended, tokens = tonumber(ARGV[4]), ARGV[5] == '1', tonumber(ARGV[6])
local expires = string.format('%.0f', now + lifetime)
for i = 1, count do
    local base, holds, expiries = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
    local before = tonumber(redis.call('HGET', holds, id) or '0')
    if amount == 0 then
        redis.call('HDEL', holds, id)
        redis.call('ZREM', expiries, id)
    else
        redis.call('HSET', holds, id, ARGV[2])
        redis.call('ZADD', expiries, expires, id)
    end
    if amount ~= before then
        redis.call('HINCRBY', base, 'held', string.format('%.0f', amount - before))
    end
    for _, key in ipairs({base, holds, expiries}) do
        redis.call('PEXPIREAT', key, ARGV[6 + i])
    end
end
for i = 1, (#KEYS - 3 * count) / 2 do
    local window, running = KEYS[3 * count + 2 * i - 1], KEYS[3 * count + 2 * i]
    local counted = tonumber(redis.call('HGET', window, 'tokens') or '-1')
    if tokens ~= 0 and counted >= 0 then
        -- Never below zero: the minute in which they were expected may be over.
        redis.call('HSET', window, 'tokens', string.format('%.0f', math.max(0, counted + tokens)))
    end
    if ended then
        redis.call('ZREM', running, id)
    elseif ARGV[6 + count + i] == '1' then
        redis.call('ZADD', running, expires, id)
        redis.call('PEXPIRE', running, string.format('%.0f', 2 * lifetime))
    end
end
return 'ok'
