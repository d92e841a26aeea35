(function () {
  "use strict";
  function on(root, kind, pick, act) {
    root.addEventListener(kind, function (event) {
      var found = event.target.closest && event.target.closest(pick);
      if (found) { act(found, event); }
    });
  }
  function show(list, files) {
    list.textContent = "";
    files.forEach(function (file) {
      var item = document.createElement("li");
      item.textContent = file.name + " (" + file.size + " bytes) ";
      var gone = document.createElement("a");
      gone.href = file.deleteUrl || file.delete_url;
      gone.textContent = "remove";
      item.appendChild(gone);
      list.appendChild(item);
    });
  }
  function refresh(form) {
    return fetch("/upload/list/", { credentials: "same-origin", headers: { Accept: "application/json" } })
      .then(function (answer) { return answer.json(); })
      .then(function (body) { show(form.parentNode.querySelector(".upload_files"), body.files || body); });
  }
  function upload(form) {
    var picked = form.querySelector("input[type=file]");
    var token = form.querySelector("input[name=csrfmiddlewaretoken]").value;
    var queue = Promise.resolve();
    Array.prototype.forEach.call(picked.files, function (file) {
      queue = queue.then(function () {
        var data = new FormData();
        data.append("csrfmiddlewaretoken", token);
        data.append(picked.name, file);
        return fetch(form.action, { method: "POST", body: data, credentials: "same-origin", headers: { Accept: "application/json" } });
      });
    });
    return queue.then(function () { return refresh(form); });
  }
  function fill(holder) {
    if (holder.dataset.filled) { return; }
    holder.dataset.filled = "yes";
    fetch(holder.dataset.table, { credentials: "same-origin", headers: { "X-Requested-With": "XMLHttpRequest" } })
      .then(function (answer) { return answer.json(); })
      .then(function (body) { draw(holder, body); });
  }
  function draw(holder, body) {
    var table = document.createElement("table"), head = table.createTHead().insertRow();
    body.aoColumns.forEach(function (column) {
      var cell = document.createElement("th");
      cell.innerHTML = column.sTitle;
      head.appendChild(cell);
    });
    var rows = table.createTBody();
    body.aaData.forEach(function (row) {
      var line = rows.insertRow();
      row.forEach(function (value) { line.insertCell().innerHTML = value; });
    });
    holder.appendChild(table);
  }
  document.addEventListener("DOMContentLoaded", function () {
    on(document, "click", ".accordion > h3", function (title) {
      title.parentNode.classList.toggle("open");
      Array.prototype.forEach.call(title.parentNode.querySelectorAll(":scope > div [data-table]"), fill);
    });
    Array.prototype.forEach.call(document.querySelectorAll("form.upload_form"), function (form) {
      refresh(form);
      form.addEventListener("submit", function (event) { event.preventDefault(); upload(form); });
    });
    Array.prototype.forEach.call(document.querySelectorAll("form.jpoll_ajax_html_form"), function (form) {
      form.addEventListener("submit", function (event) {
        if (form.dataset.opened) { return; }
        event.preventDefault();
        var button = event.submitter;
        fetch("/jpoll/open_channel/", { credentials: "same-origin" }).then(function () {
          form.dataset.opened = "yes";
          form.requestSubmit(button);
        });
      });
    });
    var hidden = document.getElementById("table_json");
    if (hidden) {
      var holder = document.createElement("div");
      hidden.parentNode.insertBefore(holder, hidden);
      draw(holder, JSON.parse(hidden.textContent));
    }
  });
})();
