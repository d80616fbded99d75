-- The non-drop rate by binary search (RFC 2544 section 26.1), for pktgen-dpdk: both directions at once.
-- Not run by the project, which has no NIC. Usage: pktgen … -f throughput.lua
package.path = package.path .. ";?.lua;test/?.lua;app/?.lua;../?.lua"
require "Pktgen"

local SIZES = { 64, 128, 256, 512, 1024, 1280, 1518 } -- octets with FCS, RFC 2544 section 9.1
local LOSSES = { 0, 0.001 } -- shares that may be lost
local TRIAL_MS = 60000
local SETTLE_MS = 2000
local STEP = 0.5 -- per cent of line rate at which the search ends

local function configure(size)
    for port = 0, 1 do
        pktgen.set(port, "size", size)
        pktgen.set(port, "count", 0)
        pktgen.set_proto(tostring(port), "udp")
        pktgen.set_ipaddr(tostring(port), "src", string.format("10.0.%d.1/24", port))
        pktgen.set_ipaddr(tostring(port), "dst", string.format("10.0.%d.1", 1 - port))
        pktgen.set_mac(tostring(port), "src", string.format("02:00:00:00:00:%02x", port + 1))
        pktgen.set_mac(tostring(port), "dst", string.format("02:00:00:00:00:%02x", 2 - port))
    end
end

-- Share of the packets sent that the other port has not received.
local function trial(rate)
    pktgen.set("0-1", "rate", rate)
    pktgen.clr()
    pktgen.start("0-1")
    pktgen.delay(TRIAL_MS)
    pktgen.stop("0-1")
    pktgen.delay(SETTLE_MS)
    local stats = pktgen.portStats("0-1", "port")
    local sent = stats[0].opackets + stats[1].opackets
    local received = stats[0].ipackets + stats[1].ipackets
    return sent > 0 and math.max(sent - received, 0) / sent or 1
end

local function search(allowed)
    local good, bad = 0, 100
    if trial(100) <= allowed then
        return 100
    end
    while bad - good > STEP do
        local rate = (good + bad) / 2
        if trial(rate) <= allowed then
            good = rate
        else
            bad = rate
        end
    end
    return good
end

-- So that the node knows both MACs and nothing is flooded while it counts.
configure(64)
trial(1)
for _, size in ipairs(SIZES) do
    configure(size)
    for _, allowed in ipairs(LOSSES) do
        printf("%d octets, %.1f %% lost: %.2f %% of line rate\n", size, allowed * 100, search(allowed))
    end
end
