-- One load for wrk: the requests of a file, each line "METHOD <tab> path <tab> bearer <tab> body".
--
-- Arguments: file, seconds (0: once through the file), pause in ms between the requests of one
-- connection, connections; "plain" as the fifth cuts off what is in flight at the end.
--
-- Otherwise the end is exact: after the last request is sent, answers are awaited, and a line
-- "finished <tab> answers <tab> seconds" says so. Every answer is then somebody's row.
local ffi = require("ffi")
ffi.cdef [[ typedef struct { long s; long ns; } moment; int clock_gettime(int, moment *); ]]
local clock = ffi.new("moment")
local function now()
   ffi.C.clock_gettime(1, clock)
   return tonumber(clock.s) + tonumber(clock.ns) / 1e9
end

local requests, place = {}, 0

function init(args)
   local seconds, pause, connections = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
   for line in io.lines(args[1]) do
      local method, path, bearer, body = line:match("^(%S+)\t(%S+)\t(%S*)\t(.*)$")
      local headers = { ["Authorization"] = "Bearer " .. bearer }
      if body == "" then body = nil else headers["Content-Type"] = "application/json" end
      requests[#requests + 1] = wrk.format(method, path, headers, body)
   end
   request = function()
      place = place % #requests + 1
      return requests[place]
   end
   if args[5] == "plain" then return end

   local promised, answered, asked, began, last, told = 0, 0, 0, nil, nil, false
   local function is_over()
      if seconds == 0 then return promised >= #requests end
      return now() - began >= seconds
   end
   -- Asked before each request of a connection; the only place where one can be held back.
   delay = function()
      began = began or now()
      if is_over() then
         if answered == promised and not told then
            told = true
            io.write(string.format("finished\t%d\t%.6f\n", answered, (last or began) - began))
            io.flush()
         end
         return 3600000
      end
      promised, asked = promised + 1, asked + 1
      if pause > 0 and asked <= connections then return math.random(0, pause) end
      return pause
   end
   response = function()
      answered, last = answered + 1, now()
   end
end

function done(summary, latency, _)
   io.write(string.format(
      "summary\t%d\t%.6f\t%d\t%d\t%.4f\t%.4f\n",
      summary.requests, summary.duration / 1e6, summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
   ))
end
