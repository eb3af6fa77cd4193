-- Holds new requests of a pool for as long as the pool is parked, so that they wait instead of failing.
--
--     global
--         lua-load-per-thread /etc/haproxy/park.lua
--     backend nova-api
--         http-request lua.park
--
-- Each pool that may be parked has a line in the map: its name and 0. Skylift sets the value over the admin
-- socket to UNTIL/LIMIT: the Unix time until which the pool is parked, and for how many seconds at most one
-- request may wait. UNTIL is only ever seconds ahead and has to be renewed, so parking ends by itself when
-- whoever renews it dies. A value that is not understood holds nothing.

-- The map lies elsewhere if the global section says so, before it loads this: setenv PARKED_MAP /PATH
local parked = Map.new(os.getenv("PARKED_MAP") or "/etc/haproxy/parked.map", Map._str)

-- No request waits longer, and no end further ahead is believed: a clock that was set back must not park.
local LONGEST_S = 60
local LOOK_EVERY_MS = 50

-- The wall clock, by which UNTIL is written. core.now() starts from it and does not follow when it is set.
local clock = os.time

local function limit_of(pool)
    local until_s, limit_s = string.match(parked:lookup(pool) or "", "^(%d+)/(%d+)$")
    if not until_s then return 0 end
    local left_s = tonumber(until_s) - clock()
    if left_s <= 0 or left_s > LONGEST_S then return 0 end
    return math.min(tonumber(limit_s), LONGEST_S)
end

core.register_action("park", { "http-req" }, function(txn)
    local pool = txn.f:be_name()
    local waited_ms = 0
    while waited_ms < limit_of(pool) * 1000 do
        core.msleep(LOOK_EVERY_MS)
        waited_ms = waited_ms + LOOK_EVERY_MS
    end
end)
