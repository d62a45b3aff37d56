-- Tells one budget that PostgreSQL has recorded requests: their holds end, and what is spent rises
-- to PostgreSQL's figure. Repeating it changes nothing.
-- KEYS: the budget's hash, its holds, their expiries.
-- ARGV: nano-dollars spent as PostgreSQL says, the moment in ms the keys expire, request ids.
for i = 3, #ARGV do
    local held = redis.call('HGET', KEYS[2], ARGV[i])
    if held then
        redis.call('HINCRBY', KEYS[1], 'held', string.format('%.0f', -tonumber(held)))
        redis.call('HDEL', KEYS[2], ARGV[i])
        redis.call('ZREM', KEYS[3], ARGV[i])
    end
end
if tonumber(ARGV[1]) > tonumber(redis.call('HGET', KEYS[1], 'spent') or '0') then
    redis.call('HSET', KEYS[1], 'spent', ARGV[1])
end
for _, key in ipairs(KEYS) do
    redis.call('PEXPIREAT', key, ARGV[2])
end
return 'ok'
