#!lua
-- Push a frame if there is room, in one atomic step. See FrameStream.push.
-- The first line makes the server refuse the whole script when memory is short, not stop in the middle of it.
-- KEYS: frames, state, droppable, bell, lines, last, waiting
-- ARGV: max_frames, max_bytes, policy, group, bell_ttl_ms, line, camera, image bytes, notice (0/1), max_notices, frame id,
--       the camera's frame before ('' if that does not matter), frames its host dropped in between, fields...
-- Returns accepted (0/1), dropped, ring (0/1), and, where that frame is not the one before, which one is.
local frames, state, droppable, bell, lines, last, waiting = unpack(KEYS)
local max_frames, max_bytes, policy, group = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local camera, size, notice, frame_id = ARGV[7], tonumber(ARGV[8]), ARGV[9] == '1', ARGV[11]

-- A push whose answer was lost is pushed again: once is enough, but the bell may have been lost with the answer.
local known = redis.call('HGET', last, camera) or ''
if known == frame_id then return {1, 0, 1} end
if ARGV[12] ~= '' and known ~= ARGV[12] then return {0, 0, 0, known} end -- this server was set back

if redis.call('XLEN', frames) == 0 then
  redis.call('HSET', state, 'frames', 0, 'bytes', 0, 'notices', 0)
  redis.call('DEL', droppable)
end
local function held(field) return tonumber(redis.call('HGET', state, field) or 0) end

local function last_delivered()
  if redis.call('EXISTS', frames) == 0 then return 0, 0 end
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', frames)) do
    local fields = {}
    for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
    if fields['name'] == group then
      local ms, seq = string.match(fields['last-delivered-id'], '(%d+)%-(%d+)')
      return tonumber(ms), tonumber(seq)
    end
  end
  return 0, 0
end

-- The oldest frames that must go until `missing_frames` and `missing_bytes` are free; nil if even all would not do.
-- Only frames no worker has taken yet, of cameras that chose drop_oldest, are in question.
local function victims(missing_frames, missing_bytes)
  local ms, seq = last_delivered()
  local found = {}
  while missing_frames > 0 or missing_bytes > 0 do
    local item = redis.call('LINDEX', droppable, #found)
    if not item then return nil end
    local item_ms, item_seq, bytes, owner = string.match(item, '^(%d+)%-(%d+) (%d+) (.+)$')
    item_ms, item_seq = tonumber(item_ms), tonumber(item_seq)
    if item_ms > ms or (item_ms == ms and item_seq > seq) then
      found[#found + 1] = {string.match(item, '^%S+'), tonumber(bytes), owner}
      missing_frames, missing_bytes = missing_frames - 1, missing_bytes - tonumber(bytes)
    else
      redis.call('LPOP', droppable) -- taken since: it stands before every frame still in question
    end
  end
  return found
end

local dropped = 0
local missing_frames = held('frames') + 1 - max_frames
local missing_bytes = held('bytes') + size - max_bytes
if notice then
  if held('notices') >= tonumber(ARGV[10]) then return {0, 0, 0} end
elseif missing_frames > 0 or missing_bytes > 0 then
  if policy == 'block' then
    redis.call('SADD', waiting, camera) -- whoever makes room next tells it
    return {0, 0, 0}
  end
  local going = victims(missing_frames, missing_bytes)
  if not going then
    redis.call('HINCRBY', state, 'dropped:' .. camera, 1)
    return {0, 1, 0}
  end
  for _, victim in ipairs(going) do
    redis.call('LPOP', droppable)
    redis.call('XDEL', frames, victim[1])
    redis.call('HINCRBY', state, 'frames', -1)
    redis.call('HINCRBY', state, 'bytes', 0 - victim[2])
    redis.call('HINCRBY', state, 'dropped:' .. victim[3], 1)
  end
  dropped = #going
end

local id = redis.call('XADD', frames, '*', unpack(ARGV, 14))
redis.call('HSET', last, camera, frame_id)
if ARGV[13] ~= '0' then redis.call('HINCRBY', state, 'dropped:' .. camera, ARGV[13]) end
if notice then
  redis.call('HINCRBY', state, 'notices', 1)
  redis.call('HINCRBY', state, 'uninspected:' .. camera, 1)
else
  redis.call('HINCRBY', state, 'frames', 1)
  redis.call('HINCRBY', state, 'bytes', size)
  redis.call('HINCRBY', state, 'pushed:' .. camera, 1)
  if policy ~= 'block' then
    redis.call('RPUSH', droppable, id .. ' ' .. size .. ' ' .. camera)
    -- Never more than frames: what is trimmed was taken by a worker long ago.
    redis.call('LTRIM', droppable, -max_frames, -1)
  end
end
redis.call('SADD', lines, ARGV[6])
local rung = redis.call('SET', bell, '1', 'NX', 'PX', ARGV[5])
return {1, dropped, rung and 1 or 0}
