-- Push a frame if there is room, in one atomic step. See FrameStream.push.
-- KEYS: frames, state, droppable, bell, lines
-- ARGV: max_frames, max_bytes, policy, group, bell_ttl_ms, line, camera, image bytes, notice (0/1), max_notices, fields...
local frames, state, droppable, bell, lines = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local max_frames, max_bytes, policy, group = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local camera, size, notice = ARGV[7], tonumber(ARGV[8]), ARGV[9] == '1'

if redis.call('XLEN', frames) == 0 then
  redis.call('HSET', state, 'frames', 0, 'bytes', 0, 'notices', 0)
  redis.call('DEL', droppable)
end
local function held(field) return tonumber(redis.call('HGET', state, field) or 0) end
local function full() return held('frames') >= max_frames or held('bytes') + size > max_bytes end

local function last_delivered()
  if redis.call('EXISTS', frames) == 0 then return 0, 0 end
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', frames)) do
    local fields = {}
    for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
    if fields['name'] == group then
      local ms, seq = string.match(fields['last-delivered-id'], '(%d+)-(%d+)')
      return tonumber(ms), tonumber(seq)
    end
  end
  return 0, 0
end

local dropped = 0
if notice then
  if held('notices') >= tonumber(ARGV[10]) then return {0, 0, 0} end
elseif policy == 'block' then
  if full() then return {0, 0, 0} end
else
  -- Only frames no worker has taken yet, of cameras that chose drop_oldest, may go.
  local ms, seq = last_delivered()
  while full() do
    local id = redis.call('LPOP', droppable)
    if not id then
      redis.call('HINCRBY', state, 'dropped:' .. camera, 1)
      return {0, dropped + 1, 0}
    end
    local id_ms, id_seq = string.match(id, '(%d+)-(%d+)')
    id_ms, id_seq = tonumber(id_ms), tonumber(id_seq)
    if id_ms > ms or (id_ms == ms and id_seq > seq) then
      local entry = redis.call('XRANGE', frames, id, id)[1]
      if entry then
        local fields = {}
        for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
        redis.call('XDEL', frames, id)
        redis.call('HINCRBY', state, 'frames', -1)
        redis.call('HINCRBY', state, 'bytes', -#fields['image'])
        redis.call('HINCRBY', state, 'dropped:' .. fields['camera'], 1)
        dropped = dropped + 1
      end
    end
  end
end

local id = redis.call('XADD', frames, '*', unpack(ARGV, 11))
if notice then
  redis.call('HINCRBY', state, 'notices', 1)
  redis.call('HINCRBY', state, 'uninspected:' .. camera, 1)
else
  redis.call('HINCRBY', state, 'frames', 1)
  redis.call('HINCRBY', state, 'bytes', size)
  redis.call('HINCRBY', state, 'pushed:' .. camera, 1)
  if policy ~= 'block' then
    redis.call('RPUSH', droppable, id)
    -- Never more ids than frames: the list cannot outgrow the stream.
    redis.call('LTRIM', droppable, -max_frames, -1)
  end
end
redis.call('SADD', lines, ARGV[6])
local rung = redis.call('SET', bell, '1', 'NX', 'PX', ARGV[5])
return {1, dropped, rung and 1 or 0}
