#include "agent/http_server.h"

#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/http_stream.h"
#include "base/log.h"
#include "base/mutex.h"
#include "model/json.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::Fd;
using base::Nanos;
using nlohmann::json;

int http_status(Code code) {
  switch (code) {
    case Code::kInvalid:
      return 400;
    case Code::kDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kTimeout:
      return 408;
    case Code::kExhausted:
    case Code::kConflict:
      return 409;
    case Code::kUnsupported:
      return 422;
    case Code::kUnavailable:
      return 503;
    case Code::kCorrupt:
    case Code::kInternal:
      return 500;
  }
  return 500;
}

namespace {

constexpr size_t kMaxPath = 300;

// Of the connection this thread serves.
thread_local const Peer* t_peer = nullptr;
thread_local const std::string* t_host = nullptr;  // null: it came over the unix socket
thread_local CallerStream* t_stream = nullptr;

// A thread per connection: a caller that waits (for room, for events) must not hold up others.
class Threads : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> work) override {
    base::MutexLock lock(mutex_);
    ++running_;
    std::thread([this, work = std::move(work)] {
      work();
      base::MutexLock done(mutex_);
      --running_;
      idle_.notify_all();
    }).detach();
  }
  void shutdown() override {
    base::MutexLock lock(mutex_);
    while (running_ != 0) idle_.wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  std::condition_variable_any idle_;
  int running_ FLEXAI_GUARDED_BY(mutex_) = 0;
};

std::vector<std::string> segments(const std::string& path) {
  std::vector<std::string> parts;
  size_t start = 1;
  for (;;) {
    size_t slash = path.find('/', start);
    parts.push_back(path.substr(start, slash == std::string::npos ? slash : slash - start));
    if (slash == std::string::npos) return parts;
    start = slash + 1;
  }
}

bool matches(const char* pattern, const std::vector<std::string>& parts,
             std::vector<std::string>* names) {
  std::vector<std::string> wanted = segments(pattern);
  names->clear();
  if (wanted.size() != parts.size()) return false;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (wanted[i][0] == '{') {
      if (parts[i].empty()) return false;
      names->push_back(parts[i]);
    } else if (wanted[i] != parts[i]) {
      return false;
    }
  }
  return true;
}

void write_error(httplib::Response& response, int status, const std::string& code,
                 const std::string& message) {
  json body = {{"error", {{"code", code}, {"message", message}}}};
  response.status = status;
  response.set_content(body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
                       "application/json");
}

void write_answer(httplib::Response& response, const base::Result<Answer>& answer) {
  if (!answer.ok())
    return write_error(response, http_status(answer.error().code), code_name(answer.error().code),
                       answer.error().message);
  response.status = answer->status;
  if (!answer->type.empty())
    response.set_content(answer->text, answer->type);
  else
    response.set_content(answer->json.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
                         "application/json");
}

}  // namespace

class HttpServer::Server : public httplib::Server {
 public:
  Server(base::Loop* loop, Api* api, std::atomic<Nanos>* last_request)
      : loop_(loop), api_(api), last_request_(last_request) {
    new_task_queue = [] { return new Threads; };
    set_keep_alive_max_count(1);
    set_payload_max_length(kMaxBody);
    // Before httplib's own routing, whose regular expressions recurse on long paths.
    set_pre_routing_handler([this](const auto& request, auto& response) {
      return refuse_early(request, response) ? HandlerResponse::Handled
                                             : HandlerResponse::Unhandled;
    });
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty())
        write_error(response, response.status, "invalid", "the request could not be understood");
    });
    auto plain = [this](const httplib::Request& request, httplib::Response& response) {
      handle(request, "", response);
    };
    auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                            const httplib::ContentReader& read) {
      std::string body;
      bool good = read([&](const char* data, size_t size) {
        if (body.size() + size > kMaxBody) return false;
        body.append(data, size);
        return true;
      });
      if (!good) return write_error(response, 413, "invalid", "the body is larger than 1 MiB");
      handle(request, body, response);
    };
    Get(".*", plain);
    Options(".*", plain);
    Post(".*", with_body);
    Put(".*", with_body);
    Patch(".*", with_body);
    Delete(".*", [this](const httplib::Request& request, httplib::Response& response,
                        const httplib::ContentReader&) { handle(request, "", response); });
  }

  void take(int socket) { svr_sock_ = socket; }
  void end_waiting() { stopping_ = true; }
  int connections() const { return connections_; }

  void serve_host(wire::Transport& transport, const std::string& host) {
    if (!enter(kNobody)) return;
    TransportStream stream(transport);
    Peer peer;
    peer.uid = kNobody;
    carry_out(stream, peer, &host);
    leave(kNobody);
  }

 private:
  static constexpr uint32_t kNobody = 65534;  // owns nothing here

  bool process_and_close_socket(int socket) override {
    Fd owned(socket);
    auto peer = peer_of(socket);
    if (!peer.ok()) return false;
    if (!enter(peer->uid)) {
      static constexpr char kBusy[] =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
          "Connection: close\r\nContent-Length: 76\r\n\r\n"
          "{\"error\":{\"code\":\"unavailable\",\"message\":\"too many connections; try "
          "later\"}}\n";
      [[maybe_unused]] ssize_t n =
          ::send(socket, kBusy, sizeof kBusy - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
      return false;
    }
    SocketStream stream(socket);
    bool done = carry_out(stream, *peer, nullptr);
    leave(peer->uid);
    return done;
  }

  bool carry_out(CallerStream& stream, const Peer& peer, const std::string* host) {
    t_peer = &peer;
    t_host = host;
    t_stream = &stream;
    bool closed = false;
    bool done = process_request(stream, true, closed, nullptr);
    t_peer = nullptr;
    *last_request_ = base::monotonic_now();
    return done;
  }

  bool enter(uint32_t uid) {
    base::MutexLock lock(mutex_);
    int& own = by_uid_[uid];
    if (connections_ >= kMaxConnections || (uid != 0 && own >= kMaxConnections / 2)) return false;
    ++own;
    ++connections_;
    return true;
  }
  void leave(uint32_t uid) {
    base::MutexLock lock(mutex_);
    --connections_;
    if (--by_uid_[uid] == 0) by_uid_.erase(uid);
  }

  bool refuse_early(const httplib::Request& request, httplib::Response& response) {
    if (request.path.size() > kMaxPath || request.path.empty() || request.path[0] != '/') {
      write_error(response, 404, "not_found", "no such path");
      return true;
    }
    if (request.get_header_value("Content-Type").rfind("multipart/", 0) == 0) {
      write_error(response, 415, "invalid", "send application/json");
      return true;
    }
    // httplib has no handlers for the other methods it knows.
    static const std::set<std::string> kHandled = {"GET", "HEAD",  "OPTIONS", "POST",
                                                   "PUT", "PATCH", "DELETE"};
    if (kHandled.count(request.method) != 0) return false;
    std::vector<std::string> names;
    find_route(request, &names, response);
    return true;
  }

  // The route of a request; writes the error itself when there is none.
  const Api::Route* find_route(const httplib::Request& request, std::vector<std::string>* names,
                               httplib::Response& response) {
    std::vector<std::string> parts = segments(request.path);
    std::string method = request.method == "HEAD" ? "GET" : request.method;
    std::string allowed;
    for (const Api::Route& route : Api::routes()) {
      if (!matches(route.path, parts, names)) continue;
      if (method == route.method) return &route;
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    }
    if (allowed.empty()) {
      write_error(response, 404, "not_found", "no such path; see docs/api/openapi.json");
    } else {
      response.set_header("Allow", allowed);
      write_error(response, 405, "invalid", "this path knows only " + allowed);
    }
    return nullptr;
  }

  void handle(const httplib::Request& request, const std::string& body,
              httplib::Response& response) {
    auto call = std::make_shared<Call>();
    const Api::Route* route = find_route(request, &call->names, response);
    if (route == nullptr) return;
    if (t_host != nullptr && !route->network)
      return write_answer(response, fail(Code::kDenied,
                                         "only programs of the card's own host may "
                                         "ask for this; run it there"));
    for (const auto& [key, value] : request.params) call->query[key] = value;
    if (request.method == "POST" || request.method == "PATCH") {
      auto parsed = model::parse_json(body);
      if (!parsed.ok()) return write_answer(response, parsed.error());
      call->body = std::move(*parsed);
    }
    call->peer.pid = t_peer->pid;
    call->peer.uid = t_peer->uid;
    call->peer.start = t_peer->start;
    if (t_host != nullptr) {
      call->host = *t_host;
    } else {
      auto pidfd = t_peer->pidfd.duplicate();
      if (!pidfd.ok()) return write_answer(response, pidfd.error());
      call->peer.pidfd = std::move(*pidfd);
    }
    auto reply = std::make_shared<Pending>();
    loop_->post([api = api_, handler = route->handler, call, reply] {
      std::invoke(handler, *api, call, reply);
    });
    bool given_up = false;
    while (!reply->wait_for(std::chrono::milliseconds(100))) {
      if (given_up || (!stopping_ && !t_stream->hung_up())) continue;
      given_up = true;
      loop_->post([reply] {
        if (reply->finished()) return;
        if (reply->on_cancel) reply->on_cancel();
        reply->finish(fail(Code::kUnavailable, "the agent is stopping, or the caller hung up"));
      });
    }
    write_answer(response, reply->take());
  }

  base::Loop* loop_;
  Api* api_;
  std::atomic<Nanos>* last_request_;
  std::atomic<bool> stopping_{false};
  base::Mutex mutex_;
  std::atomic<int> connections_{0};
  std::map<uint32_t, int> by_uid_ FLEXAI_GUARDED_BY(mutex_);
};

HttpServer::HttpServer(base::Loop* loop, Api* api)
    : last_request_(base::monotonic_now()),
      server_(std::make_unique<Server>(loop, api, &last_request_)) {}

HttpServer::~HttpServer() = default;

int HttpServer::connections() const { return server_->connections(); }

void HttpServer::serve(Fd listener) {
  server_->take(listener.release());  // closed by httplib's stop()
  thread_ = std::thread([this] {
    if (!server_->listen_after_bind())
      base::log(base::Level::kError, "http", "the listening socket failed");
  });
  while (!server_->is_running()) std::this_thread::yield();
}

void HttpServer::serve_host(wire::Transport& transport, const std::string& host) {
  server_->serve_host(transport, host);
}

void HttpServer::stop() {
  server_->end_waiting();
  server_->stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace flexai::agent
