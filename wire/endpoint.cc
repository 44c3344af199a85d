#include "wire/endpoint.h"

#include <sys/un.h>

#include <charconv>

namespace flexai::wire {

using base::Code;
using base::fail;

namespace {

struct Scheme {
  std::string_view name;
  Carrier carrier;
};
constexpr Scheme kSchemes[] = {{"unix", Carrier::kUnix},
                               {"shm", Carrier::kShared},
                               {"tcp", Carrier::kTcp},
                               {"tls", Carrier::kTls}};

base::Error bad(std::string_view text, const char* why) {
  return fail(Code::kInvalid, "endpoint \"" + std::string(text) + "\" " + why);
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string_view::npos;
}

base::Result<Endpoint> parse_network(std::string_view text, std::string_view rest,
                                     Carrier carrier) {
  Endpoint endpoint{carrier, "", 0, ""};
  if (size_t slash = rest.find('/'); slash != std::string_view::npos) {
    endpoint.name = std::string(rest.substr(slash + 1));
    rest = rest.substr(0, slash);
    if (carrier != Carrier::kTls || !is_name(endpoint.name)) return bad(text, "has a bad name");
  }
  size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad(text, "is not SCHEME:HOST:PORT");
  endpoint.place = std::string(rest.substr(0, colon));
  std::string_view port = rest.substr(colon + 1);
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc() || end != port.data() + port.size())
    return bad(text, "has no port from 0 to 65535");
  std::string& host = endpoint.place;
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return bad(text, "needs brackets around its IPv6 address");
  }
  if (host.empty()) return bad(text, "names no host");
  return endpoint;
}

}  // namespace

base::Result<Endpoint> parse_endpoint(std::string_view text) {
  for (const Scheme& scheme : kSchemes) {
    if (!text.starts_with(scheme.name) || text.size() <= scheme.name.size() ||
        text[scheme.name.size()] != ':')
      continue;
    std::string_view rest = text.substr(scheme.name.size() + 1);
    if (scheme.carrier == Carrier::kTcp || scheme.carrier == Carrier::kTls)
      return parse_network(text, rest, scheme.carrier);
    if (rest.empty() || rest.size() >= sizeof(sockaddr_un::sun_path))
      return bad(text, "needs a path of 1 to 107 bytes");
    return Endpoint{scheme.carrier, std::string(rest), 0, ""};
  }
  return bad(text, "starts with none of unix: shm: tls: tcp:");
}

std::string text_of(const Endpoint& endpoint) {
  std::string text;
  for (const Scheme& scheme : kSchemes)
    if (scheme.carrier == endpoint.carrier) text = std::string(scheme.name) + ":";
  if (endpoint.carrier == Carrier::kUnix || endpoint.carrier == Carrier::kShared)
    return text + endpoint.place;
  bool six = endpoint.place.find(':') != std::string::npos;
  return text + (six ? "[" + endpoint.place + "]" : endpoint.place) + ":" +
         std::to_string(endpoint.port) + (endpoint.name.empty() ? "" : "/" + endpoint.name);
}

}  // namespace flexai::wire
