#include "client.h"

#include "client_impl.h"

#include <errno.h>
#include <string.h>

void reply_finish(struct reply *reply)
{
    json_decref(reply->body);
    text_finish(&reply->raw);
    *reply = (struct reply){0};
}

struct client *client_of(struct cli *cli)
{
    if (cli->client)
        return cli->client;
    struct client *client = arena_alloc(&cli->arena, sizeof *client);
    client->status = STATUS_FAILED;
    if (!contexts_resolve(cli, &client->address))
        return NULL;
    cli->client = client;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return client;
}

void client_finish(struct cli *cli)
{
    if (!cli->client)
        return;
    curl_easy_cleanup(cli->client->easy);
    curl_global_cleanup();
    cli->client = NULL;
}

int client_status(const struct cli *cli)
{
    return cli->client ? cli->client->status : STATUS_FAILED;
}

const struct server_address *client_address(struct cli *cli)
{
    struct client *client = client_of(cli);
    return client ? &client->address : NULL;
}

const char *client_url(struct cli *cli)
{
    struct client *client = client_of(cli);
    if (!client)
        return "";
    return client->address.socket ? client->address.socket : client->address.url;
}

const char *client_escape(struct cli *cli, const char *segment)
{
    char *escaped = curl_easy_escape(NULL, segment, 0);
    const char *kept = arena_strdup(&cli->arena, escaped ? escaped : "");
    curl_free(escaped);
    return kept;
}

/* -- one request -- */

struct curl_slist *client_headers(struct cli *cli, bool body, const char *last_event)
{
    const char *key = cli->client->address.key;
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    if (key)
        headers = curl_slist_append(headers, arena_format(&cli->arena, "X-API-Key: %s", key));
    if (body)
        headers = curl_slist_append(headers, "Content-Type: application/json");
    if (last_event)
        headers =
            curl_slist_append(headers, arena_format(&cli->arena, "Last-Event-ID: %s", last_event));
    return curl_slist_append(headers, "Expect:");
}

void client_prepare(struct cli *cli, CURL *easy, const char *path)
{
    const struct server_address *address = &cli->client->address;
    bool root = text_starts_with(path, "//");
    const char *url = arena_format(&cli->arena, "%s%s%s", address->url, root ? "" : "/api/v1",
                                   root ? path + 1 : path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "orchctl/" ORCHESTRATOR_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, cli->client->fault);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, address->socket);
    if (address->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, address->ca_file);
    if (address->socket || strstr(address->url, "://127.0.0.1") ||
        strstr(address->url, "://localhost"))
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
}

/* What a failed connection means to who has typed the command. */
void client_complain_transport(struct cli *cli, CURLcode code)
{
    const struct server_address *address = &cli->client->address;
    const char *why = *cli->client->fault ? cli->client->fault : curl_easy_strerror(code);
    const char *next = "is the server running? --server, ORCH_SERVER or \"orchctl context\" choose "
                       "another";
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        next = "give the authority's certificate with --ca-file";
    if (code == CURLE_OPERATION_TIMEDOUT)
        cli->client->status = STATUS_TIMEOUT;
    complain(STATUS_FAILED, next, "cannot reach the server at %s (from %s): %s", client_url(cli),
             address->origin, why);
}

static size_t take_reply(char *bytes, size_t size, size_t count, void *user)
{
    enum { REPLY_BYTES = 256 << 20 };
    struct text *raw = user;
    if (raw->length + size * count > REPLY_BYTES)
        return 0;
    text_append(raw, bytes, size * count);
    return size * count;
}

bool client_call(struct cli *cli, const char *method, const char *path, const json_t *body,
                 struct reply *reply)
{
    struct client *client = client_of(cli);
    long status = 0;
    *reply = (struct reply){0};
    if (!client)
        return false;
    if (!client->easy)
        client->easy = curl_easy_init();
    curl_easy_reset(client->easy); /* keeps the connection */
    *client->fault = 0;
    char *dump = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct curl_slist *headers = client_headers(cli, body != NULL, NULL);
    client_prepare(cli, client->easy, path);
    curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, 60000L);
    curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, take_reply);
    curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, &reply->raw);
    if (dump)
        curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, dump);
    else if (strcmp(method, "POST") == 0)
        curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, "");
    CURLcode code = curl_easy_perform(client->easy);
    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    free(dump);
    if (code != CURLE_OK) {
        client_complain_transport(cli, code);
        return false;
    }
    reply->status = (int)status;
    if (reply->raw.length)
        reply->body = json_loadb(reply->raw.data, reply->raw.length, JSON_DECODE_ANY, NULL);
    return true;
}

json_t *client_ask(struct cli *cli, const char *method, const char *path, const json_t *body,
                   const char *doing, ...)
{
    struct reply reply;
    if (!client_call(cli, method, path, body, &reply))
        return NULL;
    json_t *value = NULL;
    if (reply.status / 100 == 2) {
        value = reply.body ? json_incref(reply.body) : json_null();
    } else {
        char text[512];
        va_list arguments;
        va_start(arguments, doing);
        vsnprintf(text, sizeof text, doing, arguments);
        va_end(arguments);
        cli->client->status = client_complain(cli, &reply, path, text);
    }
    reply_finish(&reply);
    return value;
}

json_t *client_list(struct cli *cli, const char *path, const char *doing)
{
    json_t *all = json_array();
    char separator = strchr(path, '?') ? '&' : '?';
    const char *page = path;
    for (;;) {
        json_t *reply = client_ask(cli, "GET", page, NULL, "%s", doing);
        if (!reply) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(all, json_object_get(reply, "items"));
        const char *next = json_string_value(json_object_get(reply, "next"));
        if (next)
            page = arena_format(&cli->arena, "%s%cafter=%s", path, separator,
                                client_escape(cli, next));
        json_decref(reply);
        if (!next)
            return all;
    }
}
