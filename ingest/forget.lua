#!lua flags=allow-oom
-- Remove consumers that hold nothing and were silent for long. See FrameStream.forget_idle_consumers.
-- In one step: a consumer that took a frame after the look would be removed with it, and the frame lost.
-- KEYS: frames   ARGV: group, idle ms
local frames, group = KEYS[1], ARGV[1]
local consumers = redis.pcall('XINFO', 'CONSUMERS', frames, group)
if consumers.err then return 0 end -- no stream or no group yet
local forgotten = 0
for _, info in ipairs(consumers) do
  local fields = {}
  for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
  if fields['pending'] == 0 and fields['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', frames, group, fields['name'])
    forgotten = forgotten + 1
  end
end
return forgotten
