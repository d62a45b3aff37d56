-- Admits one request against all of its rate limits and budgets at once. Either everything has room
-- and holds the request, or nothing is changed.
--
-- KEYS[1]  the epoch: {id, born}. A Redis that lost its memory has none; a new one begins, and for
--          a moment (grace) nobody is admitted against a budget, so that every gateway can tell
--          again what it holds.
-- KEYS     then for each budget its hash {epoch, spent, held}, its holds {request id: nano-dollars},
--          and their expiries (sorted by ms); then for each rate limit its window {minute, requests,
--          requests_before, tokens, tokens_before} and the requests under way (sorted by expiry).
-- ARGV     epoch as the caller knows it; id for a new epoch; grace in ms; request id; nano-dollars;
--          lifetime of the hold in ms; number of budgets; expected tokens; then for each budget:
--          limit, seed (what PostgreSQL says is spent, or -1), the moment in ms at which its keys
--          expire; then for each rate limit: requests and tokens a minute, requests at once (-1: no
--          limit).
-- Returns  {'ok'} | {'epoch', id} | {'wait', ms} | {'seed', which} | {'over', which, spent, held}
--          | {'rate', which, what, ms until there may be room}
--
-- Amounts are integers below 2^53 nano-dollars (nine million dollars), which Lua's numbers hold.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local function text(number) return string.format('%.0f', number) end
local id, amount, lifetime = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local count, tokens = tonumber(ARGV[7]), tonumber(ARGV[8])
local rates = (#KEYS - 1 - 3 * count) / 2

if count > 0 then
    local epoch = redis.call('HGET', KEYS[1], 'id')
    if not epoch then
        epoch = ARGV[2]
        redis.call('HSET', KEYS[1], 'id', epoch, 'born', text(now))
    end
    if epoch ~= ARGV[1] then return {'epoch', epoch} end
    local age = now - tonumber(redis.call('HGET', KEYS[1], 'born'))
    if age < tonumber(ARGV[3]) then return {'wait', text(tonumber(ARGV[3]) - age)} end
    for i = 1, count do
        local base = KEYS[3 * i - 1]
        if redis.call('HGET', base, 'epoch') ~= epoch then
            -- A missing counter is never zero: PostgreSQL says what is spent.
            local seed = tonumber(ARGV[7 + 3 * i])
            if seed < 0 then return {'seed', i} end
            local spent = tonumber(redis.call('HGET', base, 'spent') or '0')
            redis.call('HSET', base, 'epoch', epoch, 'spent', text(math.max(spent, seed)))
        end
    end
end

-- A window slides: of the minute before, the part counts that is less than a minute ago.
local minute, past = math.floor(now / 60000), (now % 60000) / 60000
local function window(key)
    local w = redis.call('HMGET', key, 'minute', 'requests', 'requests_before', 'tokens', 'tokens_before')
    local known = tonumber(w[1] or '-9')
    if known == minute then
        return {tonumber(w[2]), tonumber(w[3]), tonumber(w[4]), tonumber(w[5])}
    elseif known == minute - 1 then
        return {0, tonumber(w[2]), 0, tonumber(w[4])}
    end
    return {0, 0, 0, 0}
end
-- Milliseconds until `more` fits, when nothing else comes.
local function until_room(limit, current, before, more)
    if current + before * (1 - past) + more <= limit then return 0 end
    if current + more <= limit then
        return (1 - (limit - more - current) / before - past) * 60000
    end
    local rest = math.max(0, 1 - (limit - more) / current)
    return (1 - past + math.min(1, rest)) * 60000
end
for i = 1, rates do
    local key, running = KEYS[3 * count + 2 * i], KEYS[3 * count + 2 * i + 1]
    local at = 8 + 3 * count + 3 * (i - 1)
    local per_minute, token_limit, at_once = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local w = window(key)
    if per_minute >= 0 then
        local wait = until_room(per_minute, w[1], w[2], 1)
        if wait > 0 then return {'rate', i, 'requests_per_minute', text(math.ceil(wait))} end
    end
    if token_limit >= 0 and tokens > 0 then
        local wait = until_room(token_limit, w[3], w[4], tokens)
        if wait > 0 then return {'rate', i, 'tokens_per_minute', text(math.ceil(wait))} end
    end
    if at_once >= 0 then
        redis.call('ZREMRANGEBYSCORE', running, '-inf', text(now))
        if redis.call('ZCARD', running) >= at_once then
            return {'rate', i, 'concurrent_requests', '1000'}
        end
    end
end

for i = 1, count do
    local base, holds, expiries = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1]
    for _, dead in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', text(now), 'LIMIT', 0, 256)) do
        redis.call('HINCRBY', base, 'held', text(-tonumber(redis.call('HGET', holds, dead) or '0')))
        redis.call('HDEL', holds, dead)
        redis.call('ZREM', expiries, dead)
    end
    local figures = redis.call('HMGET', base, 'spent', 'held')
    local spent, held = tonumber(figures[1]), tonumber(figures[2] or '0')
    if spent + held + amount > tonumber(ARGV[6 + 3 * i]) then
        return {'over', i, text(spent), text(held)}
    end
end

for i = 1, rates do
    local key, running = KEYS[3 * count + 2 * i], KEYS[3 * count + 2 * i + 1]
    local w = window(key)
    redis.call('HSET', key, 'minute', text(minute), 'requests', text(w[1] + 1), 'requests_before', text(w[2]),
        'tokens', text(w[3] + tokens), 'tokens_before', text(w[4]))
    redis.call('PEXPIRE', key, 180000)
    if tonumber(ARGV[8 + 3 * count + 3 * i]) >= 0 then
        redis.call('ZADD', running, text(now + lifetime), id)
        redis.call('PEXPIRE', running, text(2 * lifetime))
    end
end
for i = 1, count do
    local base, holds, expiries = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1]
    local before = tonumber(redis.call('HGET', holds, id) or '0')
    redis.call('HSET', holds, id, ARGV[5])
    redis.call('ZADD', expiries, text(now + lifetime), id)
    redis.call('HINCRBY', base, 'held', text(amount - before))
    for _, key in ipairs({base, holds, expiries}) do
        redis.call('PEXPIREAT', key, ARGV[8 + 3 * i])
    end
end
return {'ok'}
