-- Admits one request against all of its budgets at once, and reserves its worst case in each.
-- Either every budget has room and holds the amount, or nothing is changed.
--
-- KEYS[1]  the epoch: {id, born}. A Redis that lost its memory has none; a new one begins, and for
--          a moment (grace) nobody is admitted, so that every gateway can tell again what it holds.
-- KEYS     then for each budget its hash {epoch, spent, held}, its holds {request id: nano-dollars},
--          and their expiries (sorted by ms).
-- ARGV     epoch as the caller knows it; id for a new epoch; grace in ms; request id; nano-dollars;
--          lifetime of the hold in ms; then for each budget: limit, seed (what PostgreSQL says is
--          spent, or -1), the moment in ms at which its keys expire.
-- Returns  {'ok'} | {'epoch', id} | {'wait', ms} | {'seed', which} | {'over', which, spent, held}
--
-- Amounts are integers below 2^53 nano-dollars (nine million dollars), which Lua's numbers hold.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local function text(number) return string.format('%.0f', number) end

local epoch = redis.call('HGET', KEYS[1], 'id')
if not epoch then
    epoch = ARGV[2]
    redis.call('HSET', KEYS[1], 'id', epoch, 'born', text(now))
end
if epoch ~= ARGV[1] then return {'epoch', epoch} end
local age = now - tonumber(redis.call('HGET', KEYS[1], 'born'))
if age < tonumber(ARGV[3]) then return {'wait', text(tonumber(ARGV[3]) - age)} end

local id, amount, lifetime = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local count = (#KEYS - 1) / 3
for i = 1, count do
    local base = KEYS[3 * i - 1]
    if redis.call('HGET', base, 'epoch') ~= epoch then
        -- A missing counter is never zero: PostgreSQL says what is spent.
        local seed = tonumber(ARGV[5 + 3 * i])
        if seed < 0 then return {'seed', i} end
        local spent = tonumber(redis.call('HGET', base, 'spent') or '0')
        redis.call('HSET', base, 'epoch', epoch, 'spent', text(math.max(spent, seed)))
    end
end

for i = 1, count do
    local base, holds, expiries = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1]
    for _, dead in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', text(now), 'LIMIT', 0, 256)) do
        redis.call('HINCRBY', base, 'held', text(-tonumber(redis.call('HGET', holds, dead) or '0')))
        redis.call('HDEL', holds, dead)
        redis.call('ZREM', expiries, dead)
    end
    local spent = tonumber(redis.call('HGET', base, 'spent'))
    local held = tonumber(redis.call('HGET', base, 'held') or '0')
    if spent + held + amount > tonumber(ARGV[4 + 3 * i]) then
        return {'over', i, text(spent), text(held)}
    end
end

for i = 1, count do
    local base, holds, expiries = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1]
    local before = tonumber(redis.call('HGET', holds, id) or '0')
    redis.call('HSET', holds, id, ARGV[5])
    redis.call('ZADD', expiries, text(now + lifetime), id)
    redis.call('HINCRBY', base, 'held', text(amount - before))
    for _, key in ipairs({base, holds, expiries}) do
        redis.call('PEXPIREAT', key, ARGV[6 + 3 * i])
    end
end
return {'ok'}
