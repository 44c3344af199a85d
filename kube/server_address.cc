#include "kube/server_address.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <charconv>
#include <cstring>

namespace flexai::kube {
namespace {

using base::Code;

bool plain_text(std::string_view text) {
  for (char c : text)
    if (c <= ' ' || c == 0x7f || static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

bool is_name(std::string_view host) {
  for (char c : host)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
          c == '-' || c == '_'))
      return false;
  return !host.empty();
}

base::Error bad(std::string_view url, const std::string& why) {
  return base::fail(Code::kInvalid, "server \"" + std::string(url.substr(0, 200)) + "\": " + why);
}

base::Status read_port(std::string_view url, std::string_view text, uint16_t* port) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *port);
  if (error != std::errc() || end != text.data() + text.size() || *port == 0)
    return bad(url, "the port must be a number from 1 to 65535");
  return {};
}

}  // namespace

std::string ServerAddress::authority() const {
  std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return name + ":" + std::to_string(port);
}

base::Result<ServerAddress> parse_server(std::string_view url) {
  if (!plain_text(url)) return bad("...", "holds blanks or bytes that no URL has");
  ServerAddress address;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    address.tls = false;
    address.port = 80;
  } else {
    return bad(url, "must start with https://");
  }
  size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view place = rest.substr(0, slash);
  address.prefix = rest.substr(slash);
  while (!address.prefix.empty() && address.prefix.back() == '/') address.prefix.pop_back();
  if (place.find_first_of("@?#") != place.npos || address.prefix.find_first_of("?#") != place.npos)
    return bad(url, "must be only a host, a port and a path");
  size_t colon = place.rfind(':');
  if (place.starts_with('[')) {
    size_t close = place.find(']');
    if (close == place.npos) return bad(url, "lacks a ]");
    address.host = place.substr(1, close - 1);
    colon = close + 1 < place.size() ? close + 1 : place.npos;
    if (colon != place.npos && place[colon] != ':') return bad(url, "has text after ]");
  } else {
    address.host = place.substr(0, colon);
  }
  if (colon != place.npos) FLEXAI_TRY(read_port(url, place.substr(colon + 1), &address.port));
  const bool six = place.starts_with('[');
  if (six ? address.host.find(':') == address.host.npos || !is_numeric(address.host)
          : !is_name(address.host))
    return bad(url, "names no host");
  return address;
}

bool is_numeric(const std::string& host) {
  in6_addr any{};
  return ::inet_pton(AF_INET, host.c_str(), &any) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &any) == 1;
}

base::Result<std::vector<SocketAddress>> look_up(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (is_numeric(host) ? AI_NUMERICHOST : AI_ADDRCONFIG);
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0)
    return base::fail(Code::kUnavailable, "looking up " + host + ": " + ::gai_strerror(error));
  std::vector<SocketAddress> addresses;
  for (addrinfo* one = found; one != nullptr; one = one->ai_next) {
    SocketAddress address;
    address.size = one->ai_addrlen;
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    addresses.push_back(address);
  }
  ::freeaddrinfo(found);
  return addresses;
}

}  // namespace flexai::kube
