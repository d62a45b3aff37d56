-- Puts one hold into its budgets without asking whether it fits: a settlement replaces what was
-- reserved by what it cost, a gateway tells again what it holds, a heartbeat moves the expiry.
-- KEYS: for each budget its hash, its holds, their expiries.
-- ARGV: request id, nano-dollars, lifetime in ms, then for each budget the moment its keys expire.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local id, amount, expires = ARGV[1], tonumber(ARGV[2]), now + tonumber(ARGV[3])
for i = 1, #KEYS / 3 do
    local base, holds, expiries = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
    local before = tonumber(redis.call('HGET', holds, id) or '0')
    if amount == 0 then
        redis.call('HDEL', holds, id)
        redis.call('ZREM', expiries, id)
    else
        redis.call('HSET', holds, id, ARGV[2])
        redis.call('ZADD', expiries, string.format('%.0f', expires), id)
    end
    if amount ~= before then
        redis.call('HINCRBY', base, 'held', string.format('%.0f', amount - before))
    end
    for _, key in ipairs({base, holds, expiries}) do
        redis.call('PEXPIREAT', key, ARGV[3 + i])
    end
end
return 'ok'
