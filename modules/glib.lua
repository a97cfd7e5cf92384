-- Lists, queues and hash tables of GLib: how long they are, what is in them, whether they are whole.
--
-- Options: limit, how many elements are told (16).

local limit = 16
local seen = {}

pmodule.define {
  id = "glib",
  load = function(options)
    limit = math.tointeger(tonumber(options.limit)) or limit
  end,
}

-- The pointer in an element, as people read it: text when it is one.
local function shown(element, member)
  local data = element:member(member)
  local address = data and data.value
  if not address then return "?" end
  if address == 0 then return "NULL" end
  local text = pmodule.address_read_string(address, 48)
  if text and #text > 2 and not text:find("[^%g ]") then
    return string.format("0x%x %q", address, text)
  end
  return string.format("0x%x", address)
end

-- What comes first, and how much more.
local function join(elements, member)
  local texts = {}
  for i = 1, math.min(#elements, limit) do
    texts[i] = shown(elements[i], member)
  end
  if #elements > limit then texts[#texts + 1] = "..." end
  return table.concat(texts, ", ")
end

local ends = {
  unreadable = "leads out of memory",
  limit = "goes on",
}

-- Each element of a double list must lead back to the one before it.
local function broken_link(elements)
  for i = 2, #elements do
    local back = elements[i]:member("prev")
    if not back or back.value ~= elements[i - 1]:get("address") then return i end
  end
end

-- The elements of a list; its fault in words, if it has one.
local function walk(first, double)
  local elements, how, back = first:walk("next", 10000)
  local fault = ends[how]
  if how == "cycle" then
    fault = string.format("leads from element %d back to element %d", #elements, back)
  elseif double and not fault then
    local at = broken_link(elements)
    fault = at and string.format("element %d does not lead back to the one before", at)
  end
  return elements, fault
end

local function tell(variable, what, count, fault, contents)
  local text = string.format("%s of %d element%s", what, count, count == 1 and "" or "s")
  if fault then text = text .. ", which " .. fault end
  if contents ~= "" then text = text .. ": " .. contents end
  variable:annotate(fault and "critical" or "comment", "%s", text)
end

-- True the first time that an address is told in a frame.
local function is_new(variable, address)
  local frame = variable:frame()
  local key = string.format("%d/%d/%x", frame:thread().tid, frame.number, address)
  local new = not seen[key]
  seen[key] = true
  return new
end

local function list_handler(what, double)
  return function(variable)
    local address = variable.value
    if not variable.is_pointer or not address or address == 0 then return true end
    if not is_new(variable, address) then return true end
    local elements, fault = walk(variable, double)
    -- A variable that was not set yet points anywhere: nothing is there to be told.
    if #elements > 0 then tell(variable, what, #elements, fault, join(elements, "data")) end
    return true
  end
end

local function on(type_name, handler)
  pmodule.register("variable", pmodule.match():add_variable_base_type(type_name), handler)
end

on("GList", list_handler("list", true))
on("GSList", list_handler("single list", false))

on("GQueue", function(queue)
  local head, length = queue:member("head"), queue:member("length")
  local address = queue.is_pointer and queue.value or queue:get("address")
  if not head or not head.value or not length.value or not is_new(queue, address) then
    return true
  end
  local elements, fault = walk(head, true)
  if not fault and #elements ~= length.value then
    fault = string.format("says that it has %d", length.value)
  end
  tell(queue, "queue", #elements, fault, join(elements, "data"))
  return true
end)

on("GHashTable", function(hash)
  local nodes = hash:member("nnodes")
  local size = hash:member("size")
  local address = hash.is_pointer and hash.value or hash:get("address")
  -- GLib's own debug information is needed for what is in it.
  if not nodes or not nodes.value or not address or not is_new(hash, address) then return true end
  local fault
  if size and size.value and nodes.value > size.value then
    fault = string.format("has room for %d only", size.value)
  end
  tell(hash, "hash table", nodes.value, fault, "")
  return true
end)
