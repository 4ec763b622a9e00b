#!lua flags=allow-oom
-- Remove entries whose verdicts are committed, and give their room back. See FrameStream.acknowledge.
-- It runs when memory is short, too: it is what frees it.
-- KEYS: frames, state, latencies, waiting, room, tallies
-- Returns how many were there.
-- ARGV: group, samples kept, count, ids..., image bytes (-1 for a notice)...,
--       number of tallies, name and increment of each..., latencies in ms...
local frames, state, latencies, waiting, room, tallies = unpack(KEYS)
local count, removed = tonumber(ARGV[3]), 0
for i = 1, count do
  local id, size = ARGV[3 + i], tonumber(ARGV[3 + count + i])
  redis.call('XACK', frames, ARGV[1], id)
  if redis.call('XDEL', frames, id) == 1 then
    removed = removed + 1
    if size >= 0 then
      redis.call('HINCRBY', state, 'frames', -1)
      redis.call('HINCRBY', state, 'bytes', 0 - size) -- -0 is no number to Redis
    else
      redis.call('HINCRBY', state, 'notices', -1)
    end
  end
end
-- One word for each camera that was refused since the last time; words nobody heard are taken back.
local cameras = redis.call('SMEMBERS', waiting)
if #cameras > 0 then
  redis.call('DEL', waiting, room)
  redis.call('RPUSH', room, unpack(cameras))
end
if removed == 0 then return 0 end -- repeated, since its answer was lost: counted already
local after = 4 + 2 * count
for i = 1, tonumber(ARGV[after]) do
  redis.call('HINCRBY', tallies, ARGV[after + 2 * i - 1], ARGV[after + 2 * i])
end
after = after + 2 * tonumber(ARGV[after])
if #ARGV > after then
  redis.call('RPUSH', latencies, unpack(ARGV, after + 1))
  redis.call('LTRIM', latencies, -tonumber(ARGV[2]), -1)
end
return removed
