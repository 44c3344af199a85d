#include "test/kube/fault_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <future>

namespace flexai::test {
namespace {

nghttp2_nv field(const char* name, const std::string& value) {
  auto bytes = [](const char* text) { return reinterpret_cast<uint8_t*>(const_cast<char*>(text)); };
  return {bytes(name), bytes(value.c_str()), strlen(name), value.size(), NGHTTP2_NV_FLAG_NONE};
}

void need(bool holds) {
  if (!holds) std::abort();
}

SSL* ssl_for(const FaultServer::Tls& tls, int socket) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  BIO* certificate = BIO_new_mem_buf(tls.certificate.data(), -1);
  BIO* key = BIO_new_mem_buf(tls.key.data(), -1);
  X509* cert = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
  EVP_PKEY* secret = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
  need(SSL_CTX_use_certificate(context, cert) == 1 && SSL_CTX_use_PrivateKey(context, secret) == 1);
  SSL_CTX_set_alpn_select_cb(
      context,
      [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned n,
         void*) {
        return nghttp2_select_next_protocol(const_cast<unsigned char**>(out), size, in, n) == 1
                   ? SSL_TLSEXT_ERR_OK
                   : SSL_TLSEXT_ERR_NOACK;
      },
      nullptr);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, socket);
  SSL_set_accept_state(ssl);
  X509_free(cert);
  EVP_PKEY_free(secret);
  BIO_free(certificate);
  BIO_free(key);
  SSL_CTX_free(context);
  return ssl;
}

}  // namespace

class FaultServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(FaultServer& server, base::Fd socket, int number);
  ~Connection();
  void ready();
  void flush();
  void close();
  void write(const uint8_t* data, size_t size);
  void request(int32_t id);

  FaultServer& server;
  base::Fd socket;
  const int number;
  nghttp2_session* session = nullptr;
  SSL* ssl = nullptr;
  bool open = true, reading = false, cut_after_flush = false;
  std::map<int32_t, SeenRequest> requests;
  std::map<int32_t, std::shared_ptr<Stream>> streams;
};

class FaultServer::Stream final : public Answer, public std::enable_shared_from_this<Stream> {
 public:
  Stream(std::shared_ptr<Connection> connection, int32_t id)
      : connection_(std::move(connection)), id_(id) {}

  void begin(int status, const std::string& retry_after) override {
    if (!connection_->open) return;
    std::string code = std::to_string(status);
    nghttp2_nv fields[] = {field(":status", code), field("retry-after", retry_after)};
    nghttp2_data_provider provider{};
    provider.source.ptr = this;
    provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* out, size_t room,
                                uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
      return static_cast<Stream*>(source->ptr)->read(out, room, flags);
    };
    nghttp2_submit_response(connection_->session, id_, fields, retry_after.empty() ? 1 : 2,
                            &provider);
    flush();
  }
  void send(const std::string& bytes) override {
    pending_ += bytes;
    resume();
  }
  void finish() override {
    finished_ = true;
    resume();
  }
  void reset(uint32_t error) override {
    if (connection_->open)
      nghttp2_submit_rst_stream(connection_->session, NGHTTP2_FLAG_NONE, id_, error);
    flush();
  }
  void cut() override {
    if (connection_->reading)
      connection_->cut_after_flush = true;
    else
      connection_->close();
  }
  void go_away(bool with_this_request) override {
    if (connection_->open)
      nghttp2_submit_goaway(connection_->session, NGHTTP2_FLAG_NONE,
                            with_this_request ? id_ : id_ - 2, NGHTTP2_NO_ERROR, nullptr, 0);
    flush();
  }
  void raw(const std::string& bytes) override {
    flush();
    connection_->write(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }

 private:
  ssize_t read(uint8_t* out, size_t room, uint32_t* flags) {
    size_t size = std::min(room, pending_.size() - sent_);
    memcpy(out, pending_.data() + sent_, size);
    sent_ += size;
    if (sent_ == pending_.size()) {
      pending_.clear();
      sent_ = 0;
      if (finished_) *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    if (size == 0 && !finished_) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(size);
  }
  void resume() {
    if (connection_->open) nghttp2_session_resume_data(connection_->session, id_);
    flush();
  }
  // Not within nghttp2's own calls.
  void flush() {
    if (!connection_->reading) connection_->flush();
  }

  const std::shared_ptr<Connection> connection_;
  const int32_t id_;
  std::string pending_;
  size_t sent_ = 0;
  bool finished_ = false;
};

FaultServer::Connection::Connection(FaultServer& server, base::Fd fd, int number)
    : server(server), socket(std::move(fd)), number(number) {
  if (server.options_.tls) ssl = ssl_for(*server.options_.tls, socket.get());
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t n,
                    const uint8_t* value, size_t v, uint8_t, void* self) {
        std::string key(reinterpret_cast<const char*>(name), n);
        std::string text(reinterpret_cast<const char*>(value), v);
        SeenRequest& seen = static_cast<Connection*>(self)->requests[frame->hd.stream_id];
        if (key == ":method") seen.method = text;
        if (key == ":path") seen.path = text;
        if (key == "authorization") seen.authorization = text;
        if (key == "content-type") seen.content_type = text;
        if (key == "accept") seen.accept = text;
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks,
      [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* self) {
        static_cast<Connection*>(self)->requests[id].body.append(
            reinterpret_cast<const char*>(data), size);
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
        const bool speaks = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
        if (speaks && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
          static_cast<Connection*>(self)->request(frame->hd.stream_id);
        return 0;
      });
  nghttp2_session_server_new(&session, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_settings_entry most{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &most, 1);
}

FaultServer::Connection::~Connection() {
  nghttp2_session_del(session);
  SSL_free(ssl);
}

void FaultServer::Connection::request(int32_t id) {
  auto stream = std::make_shared<Stream>(shared_from_this(), id);
  streams[id] = stream;
  SeenRequest seen = std::move(requests[id]);
  requests.erase(id);
  seen.connection = number;
  server.handler_(seen, stream);
}

void FaultServer::Connection::ready() {
  if (server.options_.mute) {
    char nowhere[4096];
    if (::read(socket.get(), nowhere, sizeof nowhere) == 0) close();
    return;
  }
  uint8_t buffer[65536];
  while (open) {
    ssize_t size = ssl != nullptr ? SSL_read(ssl, buffer, sizeof buffer)
                                  : ::read(socket.get(), buffer, sizeof buffer);
    if (size <= 0) {
      int error = ssl != nullptr ? SSL_get_error(ssl, static_cast<int>(size)) : SSL_ERROR_NONE;
      bool again = ssl != nullptr ? error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
                                  : size < 0 && errno == EAGAIN;
      return again ? void() : close();
    }
    reading = true;
    ssize_t taken = nghttp2_session_mem_recv(session, buffer, static_cast<size_t>(size));
    reading = false;
    flush();
    if (taken < 0 || std::exchange(cut_after_flush, false)) return close();
  }
}

void FaultServer::Connection::write(const uint8_t* data, size_t size) {
  while (size != 0 && open) {
    ssize_t sent = ssl != nullptr ? SSL_write(ssl, data, static_cast<int>(size))
                                  : ::send(socket.get(), data, size, MSG_NOSIGNAL);
    if (sent > 0) {
      data += sent;
      size -= static_cast<size_t>(sent);
      continue;
    }
    pollfd full{socket.get(), POLLOUT, 0};
    if (::poll(&full, 1, 1000) <= 0 || (full.revents & (POLLERR | POLLHUP)) != 0) return close();
  }
}

void FaultServer::Connection::flush() {
  const uint8_t* data = nullptr;
  while (open) {
    ssize_t size = nghttp2_session_mem_send(session, &data);
    if (size <= 0) return;
    write(data, static_cast<size_t>(size));
  }
}

void FaultServer::Connection::close() {
  if (!std::exchange(open, false)) return;
  server.loop_->unwatch(socket.get());
  ::shutdown(socket.get(), SHUT_RDWR);
  server.drop(this);
}

FaultServer::FaultServer(Handler handler, Options options)
    : handler_(std::move(handler)), options_(std::move(options)) {
  ::signal(SIGPIPE, SIG_IGN);
  loop_ = base::Loop::make().value();
  listen();
  thread_ = std::thread([this] { loop_->run(); });
}

FaultServer::~FaultServer() {
  refuse(true);
  loop_->stop();
  thread_.join();
}

void FaultServer::listen() {
  listener_ = base::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port_);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place;
  need(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&place), size) == 0);
  need(::listen(listener_.get(), 64) == 0);
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&place), &size);
  port_ = ntohs(place.sin_port);
  need(loop_->watch(listener_.get(), EPOLLIN, [this](uint32_t) { accept(); }).ok());
}

void FaultServer::accept() {
  base::Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) return;
  int fd = socket.get(), on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto made = std::make_shared<Connection>(*this, std::move(socket), ++connections_);
  open_.push_back(made);
  need(loop_->watch(fd, EPOLLIN, [made](uint32_t) { made->ready(); }).ok());
  if (!options_.mute && !options_.tls) made->flush();
}

void FaultServer::drop(Connection* connection) {
  loop_->post([this, connection] {
    open_.remove_if([connection](const auto& one) {
      if (one.get() != connection) return false;
      one->streams.clear();
      return true;
    });
  });
}

void FaultServer::post_in(base::Nanos pause, std::function<void()> task) {
  post([this, pause, task] { loop_->at(base::monotonic_now() + pause, task); });
}

void FaultServer::refuse(bool refused) {
  std::promise<void> done;
  post([&] {
    if (refused && listener_.valid()) {
      loop_->unwatch(listener_.get());
      listener_.reset();
      for (auto& one : open_) one->close();
    } else if (!refused && !listener_.valid()) {
      listen();
    }
    done.set_value();
  });
  done.get_future().wait();
}

kube::Credentials FaultServer::credentials() const {
  kube::Credentials made;
  made.server = *kube::parse_server((options_.tls ? "https://127.0.0.1:" : "http://127.0.0.1:") +
                                    std::to_string(port_));
  made.source = "test";
  return made;
}

}  // namespace flexai::test
