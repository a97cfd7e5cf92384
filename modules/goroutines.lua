-- Goroutines of Go programs: how many there are in which state, where they wait and why.
--
-- Options: limit, how many places are told (20).
--
-- The runtime keeps all of them in runtime.allgs; a program without debug information is left alone.

local limit = 20

pmodule.define {
  id = "goroutines",
  load = function(options)
    limit = math.tointeger(tonumber(options.limit)) or limit
  end,
}

-- runtime/runtime2.go, from Go 1.4 on.
local states = {
  [0] = "idle", [1] = "runnable", [2] = "running", [3] = "syscall", [4] = "waiting", [6] = "dead",
  [8] = "copystack", [9] = "preempted",
}
local SCANNING = 0x1000

-- Names of reasons to wait, from the program itself.
local function reason_names(bt)
  local names = {}
  local texts = bt:global("runtime.waitReasonStrings", "runtime.gopark")
  local count = texts and texts:count() or 0
  for i = 0, math.min(count, 64) - 1 do
    local text = texts[i]
    local address, length = text:member("str").value, text:member("len").value
    if address and length and length > 0 and length < 100 then
      names[i] = pmodule.address_read_raw(address, length)
    end
  end
  return names
end

-- A function of the program by an address in it; many wait at the same.
local function namer(bt)
  local names = {}
  return function(address)
    if not names[address] then
      names[address] = bt:symbol_at(address) or string.format("0x%x", address)
    end
    return names[address]
  end
end

-- Functions that only put a goroutine to sleep.
local function only_waits(name)
  return name:find("^runtime%.") or name:find("^sync%.") or name == "time.Sleep"
end

-- Where it goes on: the first function along the frame pointers, which Go keeps, that is not of
-- those; for what the runtime itself has started, the outermost of all.
local function place_of(g, name_of)
  local pc, bp = g:member("sched.pc").value, g:member("sched.bp").value
  local outermost = "?"
  for _ = 1, 16 do
    if not pc or pc == 0 then break end
    local name = name_of(pc)
    if not only_waits(name) then return name end
    if name:find("^runtime%.goexit") then break end
    outermost = name
    if not bp or bp == 0 then break end
    pc, bp = pmodule.address_read_uint(bp + 8), pmodule.address_read_uint(bp)
  end
  return outermost
end

local function state_of(g)
  local status = g:member("atomicstatus")
  -- From Go 1.20 on it is a structure.
  local number = status and (status.value or (status:member("value") or {}).value)
  return number and (states[number & ~SCANNING] or string.format("state %d", number)) or "?"
end

-- Counts by key, most first, and by name where they are equal.
local function sorted(counts)
  local keys = {}
  for key in pairs(counts) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  return keys
end

local function add(counts, key)
  counts[key] = (counts[key] or 0) + 1
end

pmodule.register("postattach", function(bt)
  local all = bt:global("runtime.allgs", "runtime.gopark")
  local array, length = all and all:member("array"), all and all:member("len")
  if not array or not length or not length.value then return end

  local reasons, name_of = reason_names(bt), namer(bt)
  local by_state, by_place, alive = {}, {}, 0
  for pointer in array:elements(math.min(length.value, 100000)) do
    local g = pointer:deref()
    local state = g and state_of(g) or "?"
    add(by_state, state)
    if state ~= "dead" then
      alive = alive + 1
      local why = state
      if state == "waiting" then
        local reason = g:member("waitreason").value
        why = reasons[reason] or (reason and string.format("reason %d", reason)) or state
      end
      local place = state == "running" and "" or " in " .. place_of(g, name_of)
      add(by_place, why .. place)
    end
  end

  bt:add_kv_int("go.goroutines", alive)
  for _, state in ipairs(sorted(by_state)) do
    if state ~= "dead" and state ~= "?" then
      bt:add_kv_int("go.goroutines." .. state:gsub(" ", "_"), by_state[state])
    end
  end
  local lines = {}
  for i, place in ipairs(sorted(by_place)) do
    if i > limit then
      lines[#lines + 1] = "..."
      break
    end
    lines[#lines + 1] = string.format("%d %s", by_place[place], place)
  end
  bt:annotate("comment", "%d goroutines: %s", alive, table.concat(lines, "; "))
end)
