(function () {
  "use strict";
  function each(root, pick, act) { Array.prototype.forEach.call(root.querySelectorAll(pick), act); }
  function get(place, script) {
    var headers = { Accept: "application/json" };
    if (script) { headers["X-Requested-With"] = "XMLHttpRequest"; }
    return fetch(place, { credentials: "same-origin", headers: headers }).then(function (answer) { return answer.json(); });
  }
  function line(list, text, kind) {
    var item = document.createElement("li");
    item.textContent = text;
    if (kind) { item.className = kind; }
    list.appendChild(item);
    return item;
  }

  // Uploads: one file after another, then the list as the server has it.
  function show(list, files) {
    list.textContent = "";
    files.forEach(function (file) {
      var gone = document.createElement("a");
      gone.href = file.deleteUrl || file.delete_url;
      gone.textContent = "remove";
      line(list, file.name + " (" + file.size + " bytes) ").appendChild(gone);
    });
    if (!files.length) { line(list, "No files uploaded yet.", "gray"); }
  }
  function refresh(form) {
    var list = form.parentNode.querySelector(".upload_files");
    return get("/upload/list/").then(function (body) { show(list, body.files || body); }, function () {
      list.textContent = "";
      line(list, "The server cannot list the uploaded files.", "error");
    });
  }
  function upload(form) {
    var picked = form.querySelector("input[type=file]");
    var token = form.querySelector("input[name=csrfmiddlewaretoken]").value;
    var refused = [];
    var queue = Promise.resolve();
    Array.prototype.forEach.call(picked.files, function (file) {
      queue = queue.then(function () {
        var data = new FormData();
        data.append("csrfmiddlewaretoken", token);
        data.append(picked.name, file);
        return fetch(form.action, { method: "POST", body: data, credentials: "same-origin", headers: { Accept: "application/json" } });
      }).then(function (answer) { return answer.json(); }).catch(function () { refused.push(file.name); });
    });
    return queue.then(function () { return refresh(form); }).then(function () {
      picked.value = "";
      refused.forEach(function (name) { line(form.parentNode.querySelector(".upload_files"), name + " was refused.", "error"); });
    });
  }

  // Tables that the server gives as JSON.
  function draw(holder, body) {
    var table = document.createElement("table"), head = table.createTHead().insertRow();
    body.aoColumns.forEach(function (column) {
      var cell = document.createElement("th");
      cell.innerHTML = column.sTitle;
      head.appendChild(cell);
    });
    var rows = table.createTBody();
    body.aaData.forEach(function (row) {
      var made = rows.insertRow();
      row.forEach(function (value) { made.insertCell().innerHTML = value; });
    });
    if (!body.aaData.length) { rows.insertRow().insertCell().textContent = "nothing"; }
    holder.appendChild(table);
  }
  function fill(holder) {
    if (holder.dataset.filled) { return; }
    holder.dataset.filled = "yes";
    get(holder.dataset.table, true).then(function (body) { draw(holder, body); });
  }

  // Two ticked boxes make a difference, the older name first.
  function difference(form, event) {
    var names = [];
    each(form, "input[type=checkbox][value]:not(.hide_na)", function (box) { if (box.checked) { names.push(box.value); } });
    if (names.length !== 2) {
      event.preventDefault();
      window.alert("Tick two files, " + names.length + " are ticked.");
      return;
    }
    names.sort();
    form.elements.file1.value = names[0];
    form.elements.file2.value = names[1];
  }

  // What a status channel says, until it is done.
  function follow(key, list) {
    var since = -1;
    (function pull() {
      get(/^JPOLL/.test(key) ? "/jpoll/pull_messages/" : "/jpoll/pull_messages/" + key + "/" + since + "/").then(function (messages) {
        var over = false;
        messages.forEach(function (message) {
          since = Math.max(since, message.id);
          if (message.type === "log_message") {
            var decoder = document.createElement("textarea");
            decoder.innerHTML = message.data;
            line(list, decoder.value);
          } else if (message.type === "done") {
            over = true;
            line(list, message.data.status ? "failed" : "done", message.data.status ? "error" : "success");
          }
        });
        if (!over) { window.setTimeout(pull, 1000); }
      }, function () { window.setTimeout(pull, 3000); });
    })();
  }

  // Such a form opens its channel, is sent once, and shows what the channel says while the answer is awaited.
  function send(form, event) {
    if (form.dataset.stage === "sending") { form.dataset.stage = "sent"; return; }
    event.preventDefault();
    if (form.dataset.stage) { return; }
    form.dataset.stage = "opening";
    var button = event.submitter;
    get("/jpoll/open_channel/").then(function (key) {
      var list = document.createElement("ol");
      list.className = "progress";
      form.parentNode.insertBefore(list, form.nextSibling);
      line(list, "Sent; the answer takes some seconds.");
      form.dataset.stage = "sending";
      form.requestSubmit(button);
      follow(key, list);
    }, function () { form.dataset.stage = ""; });
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.addEventListener("click", function (event) {
      var title = event.target.closest && event.target.closest(".accordion > h3");
      if (!title) { return; }
      title.parentNode.classList.toggle("open");
      each(title.parentNode, ":scope > div [data-table]", fill);
    });
    document.addEventListener("change", function (event) {
      if (event.target.classList.contains("hide_na")) {
        each(event.target.closest("div"), ":scope > .accordion", function (type) {
          if (type.querySelector("h3 > .darkgray")) { type.hidden = event.target.checked; }
        });
      }
    });
    each(document, "form.upload_form", function (form) {
      refresh(form);
      // Without the script a removal leads to the bare list.
      form.parentNode.querySelector(".upload_files").addEventListener("click", function (event) {
        if (event.target.tagName !== "A") { return; }
        event.preventDefault();
        get(event.target.getAttribute("href"), true).then(function () { refresh(form); }, function () { refresh(form); });
      });
      form.addEventListener("submit", function (event) { event.preventDefault(); upload(form); });
    });
    each(document, "form.jpoll_ajax_html_form", function (form) {
      form.addEventListener("submit", function (event) { send(form, event); });
    });
    each(document, "form.diff_form", function (form) {
      form.addEventListener("submit", function (event) { difference(form, event); });
    });
    each(document, "#table_json", function (hidden) {
      var holder = document.createElement("div");
      hidden.parentNode.insertBefore(holder, hidden);
      draw(holder, JSON.parse(hidden.textContent));
    });
    each(document, "#monitor", function (monitor) {
      var list = document.createElement("ol");
      list.className = "progress";
      monitor.appendChild(list);
      follow(monitor.dataset.key, list);
    });
  });
  // A page that comes back out of the browser's memory can be sent again.
  window.addEventListener("pageshow", function () {
    each(document, "form.jpoll_ajax_html_form", function (form) { form.dataset.stage = ""; });
  });
})();
